/** Compares the paper's models, trained by clickgan and by an independent PyTorch program, on test users. */

import * as v from "../../src/schema.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { readJson } from "../../src/files/json_file.ts";
import { formatMarkdownTable } from "../../src/cli/table.ts";
import { getSeedFolder } from "../../src/run/seeds_folder.ts";
import { meanWithSd, type ResultRuns, type ResultTable } from "./runs.ts";

const metric = v.finiteNumber();
const resultSchema = v.looseObject({
  test: v.array(v.looseObject({ snapshot: v.string(), nll: metric, prec1: metric, prec2: metric })),
});

/** Test metrics of a training. Each metric is of the snapshot that has the metric's best validation value. */
interface TestMetrics {
  readonly loss: number;
  readonly prec1: number;
  readonly prec2: number;
}

/** Reads the test metrics of a training. @param folder - folder of a training with one seed */
export async function readTestMetrics(folder: string): Promise<TestMetrics> {
  const result = await readJson(`${folder}/result.json`, resultSchema);
  const of = (snapshot: string) => result?.test.find((one) => one.snapshot === snapshot);
  const [loss, prec1, prec2] = [of("best-loss"), of("best-prec1"), of("best-prec2")];
  if (!loss || !prec1 || !prec2) throw new Error(`Expected test metrics in ${folder}/result.json.`);
  return { loss: loss.nll, prec1: prec1.prec1, prec2: prec2.prec2 };
}

const SEEDS = 5;

/** Trains a model as in the paper, without count features. @param options - options of `train`, joined by spaces */
async function trainModel(runs: ResultRuns, data: string, options: string): Promise<TestMetrics[]> {
  const own = options.split(" ").filter((word) => word !== "");
  const name = [data, "counts", "none", ...own.map((word) => word.replace(/^--/, "")), `${SEEDS}-seeds`];
  const words = ["--data", `${runs.papers}/${data}.txt`, "--seeds", String(SEEDS), "--no-report"];
  const folder = await runs.trained(name.join("-"), [...words, "--counts", "none", ...own]);
  const seeds = Array.from({ length: SEEDS }, (_, k) => getSeedFolder(folder, k + 1));
  return await Promise.all(seeds.map(readTestMetrics));
}

type Spread = readonly [mean: number, sd: number];

/** Metrics of an independent PyTorch implementation of the same model. */
interface Reference {
  readonly seeds: number;
  readonly loss: Spread;
  readonly prec1: Spread;
  readonly prec2: Spread;
}

const of = (seeds: number, loss: Spread, prec1: Spread, prec2: Spread): Reference => ({
  ...{ seeds, loss, prec1, prec2 },
});

const published: readonly { name: string; options: string; yelp: Reference; rsc: Reference }[] = [
  {
    ...{ name: "LSTM 64-64", options: "" },
    yelp: of(5, [0.8747, 0.0161], [0.7332, 0.0112], [0.8709, 0.0064]),
    rsc: of(5, [0.9761, 0.0087], [0.5513, 0.0039], [0.7785, 0.0054]),
  },
  {
    ...{ name: "LSTM 32-64-32", options: "--dims 32-64-32" },
    yelp: of(3, [0.8675, 0.0098], [0.7475, 0.0130], [0.8719, 0.0083]),
    rsc: of(3, [0.9655, 0.0152], [0.5517, 0.0206], [0.7803, 0.0065]),
  },
  {
    ...{ name: "LSTM 64-64, batch norm", options: "--batch-norm" },
    yelp: of(3, [1.0678, 0.0095], [0.7521, 0.0175], [0.8398, 0.0040]),
    rsc: of(3, [1.0904, 0.0342], [0.5632, 0.0365], [0.7789, 0.0153]),
  },
  {
    ...{ name: "PW 64-64", options: "--encoder pw" },
    yelp: of(5, [0.8525, 0.0062], [0.7378, 0.0088], [0.8673, 0.0116]),
    rsc: of(5, [0.9619, 0.0035], [0.5298, 0.0124], [0.7538, 0.0083]),
  },
  {
    ...{ name: "PW tanh 64-64", options: "--encoder pw --pw-nonlinearity tanh" },
    yelp: of(3, [0.7910, 0.0039], [0.7429, 0.0048], [0.8780, 0.0053]),
    rsc: of(3, [0.9145, 0.0011], [0.5118, 0.0104], [0.7512, 0.0084]),
  },
];

export const referenceTable: ResultTable = {
  name: "reference",
  about: "test metrics on yelp and rsc, compared with a PyTorch implementation",
  async make(runs) {
    const all = (["yelp", "rsc"] as const).flatMap((data) => published.map((model) => ({ data, ...model })));
    const rows = await Promise.all(all.map(async ({ data, name, options, ...references }) => {
      const ours = await trainModel(runs, data, options);
      const reference = references[data];
      return [
        ...[data, name],
        ...(["loss", "prec1", "prec2"] as const).flatMap((metric) => {
          const [mean, sd] = reference[metric];
          return [meanWithSd({ mean, sd }), meanWithSd(meanAndSd(ours.map((one) => one[metric])))];
        }),
      ];
    }));
    const few = Math.min(...published.flatMap(({ yelp, rsc }) => [yelp.seeds, rsc.seeds]));
    const many = Math.max(...published.flatMap(({ yelp, rsc }) => [yelp.seeds, rsc.seeds]));
    return [
      `The metrics of test users are mean and sd over ${few} or ${many} seeds of the reference, and over ${SEEDS} seeds of clickgan.`,
      "",
      ...formatMarkdownTable(
        ["data", "model", ...["loss", "prec@1", "prec@2"].flatMap((name) => [`${name}: reference`, "ours"])],
        rows,
      ),
    ].join("\n");
  },
};

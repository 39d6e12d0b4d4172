/** Makes tables of test metrics of models that are trained with several seeds. */

import * as v from "../../src/schema.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { readJson } from "../../src/files/json_file.ts";
import { formatMarkdownTable } from "../../src/cli/table.ts";
import { getSeedFolder } from "../../src/run/seeds_folder.ts";
import { formatFixed, meanWithSd, type ResultRuns, type ResultTable } from "./runs.ts";

const metricSchema = { nll: v.finiteNumber(), prec1: v.finiteNumber(), prec2: v.finiteNumber() };
const resultSchema = v.looseObject({
  test: v.array(v.looseObject({
    ...{ ...metricSchema, snapshot: v.string() },
    details: v.looseObject({
      intervals: v.looseObject({ prec1: v.tuple([v.finiteNumber(), v.finiteNumber()]) }),
    }),
  })),
  baselines: v.looseObject({ clickRate: v.looseObject(metricSchema) }),
});

/** Test metrics of one training, each of the snapshot with the best validation value of this metric. */
export interface ModelTestMetrics {
  readonly loss: number;
  readonly prec1: number;
  readonly prec2: number;
  /** Half of the width of the 95 % bootstrap interval of prec1 over test users. */
  readonly sampling: number;
  readonly clickRate: { readonly loss: number; readonly prec1: number };
}

/** Reads the test metrics of a training. @param folder - folder of a training with one seed */
export async function readTestMetrics(folder: string): Promise<ModelTestMetrics> {
  const result = await readJson(`${folder}/result.json`, resultSchema);
  const of = (snapshot: string) => result?.test.find((one) => one.snapshot === snapshot);
  const [loss, prec1, prec2] = [of("best-loss"), of("best-prec1"), of("best-prec2")];
  if (!result || !loss || !prec1 || !prec2) throw new Error(`expected test metrics in ${folder}/result.json`);
  const { clickRate } = result.baselines;
  const [low, high] = prec1.details.intervals.prec1;
  return {
    ...{ loss: loss.nll, prec1: prec1.prec1, prec2: prec2.prec2, sampling: (high - low) / 2 },
    clickRate: { loss: clickRate.nll, prec1: clickRate.prec1 },
  };
}

export interface TrainedModelSet {
  /** Data set: "yelp" and "rsc" are the paper's; "demo" is a synthetic shop. */
  readonly data: "yelp" | "rsc" | "demo";
  /** Options of `train`, joined by spaces. Models have no count features, as in the paper, unless set. */
  readonly options: string;
  readonly seeds: number;
}

async function collectTestMetrics(
  runs: ResultRuns,
  { data, options, seeds }: TrainedModelSet,
): Promise<ModelTestMetrics[]> {
  const own = options.split(" ").filter((word) => word !== "");
  const words = own.includes("--counts") ? own : ["--counts", "none", ...own];
  const name = [data, ...words.map((word) => word.replace(/^--/, "")), `${seeds}-seeds`].join("-");
  const log = data === "demo" ? data : `${runs.papers}/${data}.txt`;
  const args = ["--data", log, "--seeds", String(seeds), "--no-report", ...words];
  const folder = await runs.trained(name, "train", args);
  return await Promise.all(
    Array.from({ length: seeds }, (_, k) => readTestMetrics(getSeedFolder(folder, k + 1))),
  );
}

const MODEL_SEEDS = 3;
/** Options of `train` for models whose utility is linear in the item's embedding. */
const HIGH_RATE = "--learning-rate 0.01";

const kinds: readonly { name: string; options: string; highRate?: true }[] = [
  { name: "conditional logit", options: "--encoder none --dims none", highRate: true },
  { name: "no history", options: "--encoder none" },
  { name: "wide alone", options: "--encoder none --dims none --wide", highRate: true },
  { name: "LSTM", options: "" },
  { name: "position weights", options: "--encoder pw" },
  { name: "wide & deep", options: "--encoder pw --wide" },
  { name: "wide & deep, logistic", options: "--encoder pw --wide --loss logistic" },
  { name: "with counts, the default", options: "--counts all" },
];

const DATA = ["yelp", "demo"] as const;

export const modelsTable: ResultTable = {
  name: "models",
  about: "eight kinds of models, and the click rate, on yelp and the demo shop",
  async make(runs) {
    const found = await Promise.all(kinds.map(({ options, highRate }) =>
      Promise.all(DATA.map((data) => {
        const trained = highRate ? `${options} ${HIGH_RATE}` : options;
        return collectTestMetrics(runs, { data, options: trained, seeds: MODEL_SEEDS });
      }))
    ));
    const rows = kinds.map(({ name, options }, k) => [
      ...[name, options === "" ? "" : `\`${options}\``],
      ...(found[k] ?? []).flatMap((seeds) =>
        (["loss", "prec1"] as const).map((of) => meanWithSd(meanAndSd(seeds.map((one) => one[of]))))
      ),
    ]);
    /** Metrics of the first model, whose baselines and test users are those of all models. */
    const known = (found[0] ?? []).flatMap(([first]) => first ?? []);
    const clickRate = known.flatMap((
      { clickRate: { loss, prec1 } },
    ) => [formatFixed(loss), formatFixed(prec1)]);
    const [yelp, demo] = known.map(({ sampling }) => formatFixed(sampling));
    const fast = kinds.filter(({ highRate }) => highRate).map(({ name }) => name);
    return [
      `Metrics of test users (loss of best-loss, prec@1 of best-prec1): mean and sd of ${MODEL_SEEDS} seeds with the ` +
      `defaults of \`train\` (${fast.join(" and ")}: with \`${HIGH_RATE}\`).`,
      "",
      ...formatMarkdownTable(
        ["model", "options", ...DATA.flatMap((data) => [`${data} loss`, `${data} prec@1`])],
        [["click rate", "", ...clickRate], ...rows],
      ),
      "",
      `With other test users prec@1 would differ by about ${yelp} on yelp and ${demo} on the demo shop (half the 95 % range).`,
    ].join("\n");
  },
};

const REFERENCE_SEEDS = 5;

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
      const ours = await collectTestMetrics(runs, { data, options, seeds: REFERENCE_SEEDS });
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
      `The metrics of test users are mean and sd over ${few} or ${many} seeds of the reference, and over ${REFERENCE_SEEDS} seeds of clickgan.`,
      "",
      ...formatMarkdownTable(
        ["data", "model", ...["loss", "prec@1", "prec@2"].flatMap((name) => [`${name}: reference`, "ours"])],
        rows,
      ),
    ].join("\n");
  },
};

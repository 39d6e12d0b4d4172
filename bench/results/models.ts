/** Makes tables of test metrics: of models trained with several seeds, and of models with hashed item ids. */

import * as v from "../../src/schema.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { computePairedDifference } from "../../src/data/paired_difference.ts";
import { readJson } from "../../src/files/json_file.ts";
import { formatMarkdownTable } from "../../src/cli/table.ts";
import { getSeedFolder } from "../../src/run/seeds_folder.ts";
import { formatFixed, meanWithSd, type ResultRuns, type ResultTable } from "./runs.ts";
import { formatLiteral, SqlEngine } from "../../src/data/prepare/sql_engine.ts";
import { requireWritable } from "../../src/files/write_scope.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { makeFolder, writeFileAtomically } from "../../src/files/atomic_write.ts";
import { formatThousands } from "../../src/number_text.ts";

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

/** Test metrics of one training. Each metric is that of the snapshot with the best value on the validation users. */
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
  /** Options of `train`, joined by spaces. Without --counts the models have no count features, as in the paper. */
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
    /** Metrics of the first model. Baselines and test users are the same for all models. */
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

/** Number of seeds in the table of likelihoods, which compares models with and without regularisation. */
const LIKELIHOOD_SEEDS = 15;

const settings = [
  {
    data: "yelp",
    model: "PW tanh",
    options: "--encoder pw --pw-nonlinearity tanh",
    against: "--weight-decay 10 --early-stopping loss --patience 300",
  },
  {
    data: "rsc",
    model: "LSTM",
    options: "",
    against:
      "--weight-decay 20 --item-dropout 0.2 --learning-rate 1e-3 --iterations 8000 --early-stopping loss --patience 300",
  },
] as const;

export const likelihoodTable: ResultTable = {
  name: "likelihood",
  about: "test loss on yelp and rsc with the best settings and without them",
  async make(runs) {
    const rows = await Promise.all(settings.map(async ({ data, model, options, against }) => {
      const losses = async (options: string) =>
        (await collectTestMetrics(runs, { data, options, seeds: LIKELIHOOD_SEEDS })).map(({ loss }) => loss);
      const [best, plain] = await Promise.all([losses(`${options} ${against}`), losses(options)]);
      const { mean, low, high } = computePairedDifference(best, plain);
      return [
        ...[data, model, `\`${[options, against].join(" ").trim()}\``],
        ...[meanWithSd(meanAndSd(best)), meanWithSd(meanAndSd(plain))],
        `${formatFixed(mean)} (${formatFixed(low)} to ${formatFixed(high)})`,
      ];
    }));
    return [
      `The test losses are mean and sd over seeds 1 to ${LIKELIHOOD_SEEDS}. The difference is given with its 95 % interval over these seeds.`,
      "",
      ...formatMarkdownTable([
        "data",
        "model",
        "settings",
        "test loss",
        "without these settings",
        "difference",
      ], rows),
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

/** Numbers of buckets for hashed item ids (N of `data log --hash-items N`). */
const BUCKETS = [1_000, 10_000, 100_000, 1_000_000];
/**
 * Options of a small model, whose only item features are ids. With N = 1,000,000 buckets each table of 2 N rows and 16
 * columns just fits into a binding of 128 MiB.
 */
const MODEL =
  "--adam row-sparse --lstm-units 4 --dims 16 --counts none --learning-rate 0.005 --validate-every 100";

const PAGES = "--user user --item item --time time --clicked clicked --page page --source";
const LOGS = [
  { name: "demo", title: "demo shop, 500 items", log: PAGES, source: demoLog },
  { name: "shop", title: "a shop of 100,000 items", log: PAGES, source: largeShop },
  { name: "yelp", title: "yelp, 804 items", log: "--query", source: yelpLog },
];

export const hashedTable: ResultTable = {
  name: "hashed",
  about: "hashed and unique item ids on the demo shop, a shop of 100,000 items, and yelp",
  async make(runs) {
    const columns = await Promise.all(LOGS.map((log) => buildColumn(runs, log)));
    const rows = [undefined, ...BUCKETS].map((buckets, k) => [
      buckets === undefined ? "unique ids" : formatThousands(buckets),
      ...columns.map((column) => column[k] ?? ""),
    ]);
    return [
      `The table has prec@1 on test users, +- half its 95 % range over users, with \`${MODEL}\`:`,
      "",
      ...formatMarkdownTable(["N", ...LOGS.map(({ title }) => title)], rows),
    ].join("\n");
  },
};

/** Returns a log's cells: first the cell for unique ids, then a cell per number of buckets. */
async function buildColumn(runs: ResultRuns, { name, log, source }: typeof LOGS[number]): Promise<string[]> {
  const path = await source(runs);
  return await Promise.all([undefined, ...BUCKETS].map(async (buckets) => {
    const words = buckets === undefined ? ["--no-item-ids"] : ["--hash-items", String(buckets)];
    const prepare = [...log.split(" "), path, "--shares", "60-20-20", ...words];
    const of = `${name}-${buckets ?? "ids"}`;
    const data = await runs.trained(`hashed-data-${of}`, "data log", prepare, "--out");
    const args = ["--data", data, "--no-report", ...MODEL.split(" ")];
    const { prec1, sampling } = await readTestMetrics(await runs.trained(`hashed-${of}`, "train", args));
    return `${formatFixed(prec1)} +- ${formatFixed(sampling)}`;
  }));
}

async function demoLog(runs: ResultRuns): Promise<string> {
  return `${await runs.trained("hashed-log-demo", "data example", [], "--out")}/log.csv`;
}

/** Writes a SELECT that reads yelp.txt. The file has tabs between columns, and its times are consecutive numbers. */
async function yelpLog({ folder, papers }: ResultRuns): Promise<string> {
  await makeFolder(folder);
  const select =
    "SELECT session_new_index AS user, item_new_index AS item, to_timestamp(Time) AS time, is_click AS clicked\n" +
    `FROM read_csv(${formatLiteral(`${papers}/yelp.txt`)}, header = true, delim = '\\t')\n`;
  await writeFileAtomically(`${folder}/hashed-yelp.sql`, select, `\n${select.split("\n")[0]}`);
  return `${folder}/hashed-yelp.sql`;
}

/**
 * Generates the log of a shop with 100,000 items and 6,000 users, who see ten pages of ten items. Pages show popular items
 * more often. The utility of item i is the same for all users, u_i = 1.2 z_i - 2 with normal z_i; no click has utility 0.
 */
async function largeShop({ folder }: ResultRuns): Promise<string> {
  const path = `${folder}/hashed-shop.parquet`;
  if (await pathExists(path)) return path;
  await makeFolder(folder);
  const engine = await SqlEngine.open({ workFolder: "", memory: "2GB", threads: 1 });
  try {
    await engine.run(
      "SELECT setseed(0.5);" +
        "CREATE TABLE item AS SELECT range AS item, 1.2 * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) - 2 AS u FROM range(100000);" +
        "CREATE TABLE shown AS SELECT range // 10 AS page, floor(1e5 * power(random(), 3))::BIGINT AS item, -ln(-ln(random())) AS luck " +
        "FROM range(600000);" +
        "CREATE TABLE best AS SELECT page, max(u + luck) AS most FROM shown JOIN item USING (item) GROUP BY page ORDER BY page;" +
        "CREATE TABLE nothing AS SELECT page, -ln(-ln(random())) AS luck FROM (SELECT page FROM best ORDER BY page);" +
        "COPY (SELECT DISTINCT page // 10 AS user, page, 1700000000 + page AS time, 'sku-' || item AS item, " +
        "(u + shown.luck = most AND most > nothing.luck)::INTEGER AS clicked " +
        "FROM shown JOIN item USING (item) JOIN best USING (page) JOIN nothing USING (page) ORDER BY page, item) " +
        `TO ${formatLiteral(`${path}.part`)} (FORMAT parquet)`,
    );
    await Deno.rename(`${path}.part`, requireWritable(path));
  } finally {
    engine.close();
  }
  return path;
}

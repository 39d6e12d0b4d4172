import { defaultModel } from "../../src/model/model_config.ts";
import { defaultTraining } from "../../src/train/training_config.ts";

/** Rows of a CSV log. Strings, for example "NaN", are written unchanged. */
export type LogRows = readonly (readonly (number | string)[])[];

export interface StageFileContents {
  readonly train?: LogRows;
  readonly validation?: LogRows;
  /** Test metrics of each snapshot; absent for an unfinished stage. */
  readonly test?: readonly Record<string, unknown>[];
  readonly verdict?: readonly string[];
  readonly context?: readonly Record<string, string>[];
  readonly iteration?: number;
}

export interface RunFiles {
  readonly seed?: number;
  readonly iterations?: number;
  readonly dims?: readonly number[];
  readonly shannon?: StageFileContents;
  readonly adversarial?: StageFileContents;
}

const HEADERS = {
  shannon: "iteration,loss,prec1,prec2",
  adversarial: "iteration,loss,loss_min,loss_max,pi_prec1,pi_prec2,prec1,prec2",
};

/** Returns the stored metrics of a snapshot or baseline, without intervals. */
export const withDetails = <M>(metrics: M) => ({ details: { metrics, intervals: {} } });

export const BASELINES = {
  random: withDetails({ nll: 2.4, prec1: 0.1, prec2: 0.2 }),
  clickRate: withDetails({ prec1: 0.3, prec2: 0.5 }),
  attainable: withDetails({ nll: 1.3, prec1: 0.6, prec2: 0.8 }),
};

export function makeConfig({ seed = 1, iterations = 4, dims = [64, 64] }: RunFiles): Record<string, unknown> {
  return {
    format: "clickgan-run",
    clickgan: "0.1.0",
    command: ["--dims", dims.join("-")],
    data: { kind: "demo", seed: 1 },
    model: { ...defaultModel, dims },
    training: { ...defaultTraining, seed, iterations },
    pretrain: true,
    adversarial: null,
    init: null,
    adapter: {
      kind: "cpu",
      description: "llvmpipe",
      vendor: "",
      architecture: "",
      runtime: "Deno/2.9.6",
      driver: "Mesa 25.0.7",
    },
    system: "x86_64-unknown-linux-gnu",
  };
}

const SIZES = {
  users: [60, 20, 20],
  pages: 1234,
  rows: 9000,
  items: 500,
  warnings: ["Each page shows one item."],
};

export function writeRun(folder: string, run: RunFiles): void {
  Deno.mkdirSync(folder, { recursive: true });
  writeJson(`${folder}/config.json`, makeConfig(run));
  if (run.shannon) writeStage(folder, HEADERS.shannon, run.shannon);
  if (run.adversarial) writeStage(`${folder}/adversarial`, HEADERS.adversarial, run.adversarial);
}

function writeStage(
  folder: string,
  header: string,
  { train = [], validation = [], test, verdict, context, iteration }: StageFileContents,
) {
  Deno.mkdirSync(folder, { recursive: true });
  const csv = (rows: LogRows) => [header, ...rows.map((row) => row.join(","))].join("\n") + "\n";
  Deno.writeTextFileSync(`${folder}/train.csv`, csv(train));
  Deno.writeTextFileSync(`${folder}/validation.csv`, csv(validation));
  if (!test) return;
  const done = iteration ?? Number(train.at(-1)?.[0] ?? 0);
  const session = {
    finished: "2026-11-26T10:03:04.567Z",
    sessionSeconds: 90.6,
    resumed: false,
    data: { ...SIZES, context },
  };
  writeJson(`${folder}/result.json`, {
    ...{ folder, seed: 1, iteration: done, ...session },
    ...{ test, verdict, baselines: BASELINES },
  });
}

export function writeSeedsFolder(folder: string, seeds: readonly number[], runs: readonly RunFiles[]): void {
  Deno.mkdirSync(folder, { recursive: true });
  writeJson(`${folder}/seeds.json`, {
    format: "clickgan-seeds",
    seeds,
    config: makeConfig({ ...runs[0], seed: seeds[0] ?? 1 }),
  });
  for (const run of runs) writeRun(`${folder}/seed-${run.seed}`, run);
}

export function writeJson(file: string, value: unknown): void {
  Deno.writeTextFileSync(file, JSON.stringify(value, null, 2) + "\n");
}

/** Returns all metrics of an evaluation, with intervals and slices. */
function makeDetails(known: Readonly<Record<string, number>>) {
  const metrics: Record<string, number> = { mrr: 0.5, ndcg: 0.5, auc: 0.5, ...known };
  const ranges = Object.entries(metrics).map(([name, value]) => [name, [value - 0.02, value + 0.02]]);
  const measured = { metrics, intervals: Object.fromEntries(ranges) };
  return {
    ...measured,
    slices: { "page length": ["5-9", "10-19"].map((name) => ({ ...measured, name, events: 700 })) },
  };
}

/** Returns a run with rising metrics that depend on the seed; a higher `skill` gives higher metrics. */
function risingRun(seed: number, skill: number, stages: readonly ("shannon" | "adversarial")[]): RunFiles {
  const iterations = 60;
  const rows = (step: number, columns: number) =>
    Array.from({ length: iterations / step }, (_, k) => {
      const t = step === 1 ? k + 1 : step * k;
      const values = Array.from(
        { length: columns },
        (_, c) => skill * t / iterations + 0.03 * seed + c / 100,
      );
      return [t, ...values];
    });
  const [nll, prec1, prec2] = [1.4 - 0.3 * skill, 0.6 * skill + 0.01 * seed, 0.8 * skill];
  const details = makeDetails({ nll, prec1, prec2, piPrec1: 0.5 * skill, piPrec2: 0.7 * skill });
  const stage = (columns: number): StageFileContents => ({
    ...{ train: rows(1, columns), validation: rows(10, columns) },
    test: ["best-loss", "best-prec1", "best-prec2", "last"].map((snapshot) => ({
      ...{ snapshot, iteration: iterations - 10, nll, details },
    })),
    context: ["nightly_price", "nights", "party", "device"].slice(0, skill > 0.9 ? 4 : 0)
      .map((column) => ({ kind: "impression", column, type: "number" })),
  });
  const columns = { shannon: 3, adversarial: 7 };
  return { seed, iterations, ...Object.fromEntries(stages.map((name) => [name, stage(columns[name])])) };
}

export function writeExperiment(folder: string, seeds: readonly number[]): void {
  const models = [
    { name: "Baseline 64-64", skill: 0.95, stages: ["shannon"] },
    { name: "BatchNorm 64-64", skill: 0.85, stages: ["shannon"] },
    { name: "Baseline 32-64-32", skill: 0.9, stages: ["shannon"] },
    { name: "Fine-tuned 64-64", skill: 1, stages: ["adversarial"] },
    { name: "Fine-tuned 32-64-32", skill: 0.97, stages: ["shannon", "adversarial"] },
    { name: "L2 NoPretrain", skill: 0.5, stages: ["adversarial"] },
  ] as const;
  Deno.mkdirSync(folder, { recursive: true });
  const named = models.map((model) => ({ ...model, folder: model.name.toLowerCase().replaceAll(" ", "-") }));
  for (const { folder: inner, skill, stages } of named) {
    writeSeedsFolder(`${folder}/${inner}`, seeds, seeds.map((seed) => risingRun(seed, skill, stages)));
  }
  writeJson(`${folder}/experiment.json`, {
    data: "demo",
    seeds,
    models: named.map(({ name, folder }) => ({ name, folder })),
  });
  writeJson(`${folder}/result.json`, {
    table: [],
    claims: [
      { claim: "Fine-tuning helps", holds: "yes", text: "prec@1 .57 against .55, paired over seeds." },
      {
        claim: "Batch norm <worsens> convergence",
        holds: "undecided",
        text: "The difference is within the noise.",
      },
    ],
  });
}

/**
 * The published experiments on one data set: a list of models with their folders, the metrics per model and
 * seed, and tests of the published claims.
 */

import * as v from "../schema.ts";
import type { ItemFeatures } from "../data/click_log.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../model/model_config.ts";
import { FOLDER_FORMATS, readJson, writeJson } from "../files/json_file.ts";
import { meanAndSd } from "../data/mean_sd.ts";
import { resultSchema, type RunLog } from "../report/report_data.ts";
import { readLog } from "../report/collect.ts";
import { getSeedFolder } from "../run/run_config.ts";
import { UserError } from "../user_error.ts";
import { computePairedDifference } from "../data/paired_difference.ts";
import { claimOutcomes, describeInterval, formatSigned, judgeClaim } from "../metrics/baseline_verdict.ts";
import type { Claim } from "../metrics/baseline_verdict.ts";

export interface ExperimentModel {
  readonly name: string;
  /** Name of the folder: the model's name in lower case, with hyphens. */
  readonly folder: string;
  readonly model: ModelConfig;
  /**
   * Folder of the model whose Shannon stage the adversarial stage starts from; "none" to start from random
   * weights; undefined for a model without an adversarial stage.
   */
  readonly adversarialAfter: string | "none" | undefined;
}

function defineModel(name: string, model: ModelConfig, adversarialAfter?: string): ExperimentModel {
  return { name, folder: name.toLowerCase().replaceAll(" ", "-"), model, adversarialAfter };
}

const deepModel: ModelConfig = { ...defaultModel, dims: [32, 64, 32] };
const tanhModel: ModelConfig = { ...defaultPwModel, pwNonlinearity: "tanh" };

/** All models, in the order of training: six from the original reports, then four with position weights. */
export const experimentModels: readonly ExperimentModel[] = [
  defineModel("Baseline 64-64", defaultModel),
  defineModel("BatchNorm 64-64", { ...defaultModel, batchNorm: true }),
  defineModel("Baseline 32-64-32", deepModel),
  defineModel("Fine-tuned 32-64-32", deepModel, "baseline-32-64-32"),
  defineModel("L2 NoPretrain 64-64", defaultModel, "none"),
  defineModel("Fine-tuned 64-64", defaultModel, "baseline-64-64"),
  defineModel("PW 64-64", defaultPwModel),
  defineModel("Fine-tuned PW 64-64", defaultPwModel, "pw-64-64"),
  defineModel("PW tanh 64-64", tanhModel),
  defineModel("Fine-tuned PW tanh 64-64", tanhModel, "pw-tanh-64-64"),
];

/** Returns true if a model supports a kind of item features. Encoder pw with tanh cannot use `mixed`. */
export function supportsItems({ model }: ExperimentModel, items: ItemFeatures["kind"]): boolean {
  return items !== "mixed" || model.encoder !== "pw" || model.pwNonlinearity !== "tanh";
}

const experimentSchema = v.strictObject({
  format: v.literal(FOLDER_FORMATS.experiment),
  /** Value of --data: a file, a folder, or the name of a synthetic shop. */
  data: v.string(),
  /** Seeds of a synthetic shop and of its users; undefined if the user typed none. */
  dataSeed: v.optional(v.wholeNumber()),
  dataUsersSeed: v.optional(v.wholeNumber()),
  resplit: v.boolean(),
  seeds: v.pipe(v.array(v.wholeNumber()), v.minLength(1)),
  /** Number of iterations of the Shannon stage, and (`adversarial`) of the adversarial stage. */
  iterations: v.wholeNumber(),
  adversarial: v.wholeNumber(),
  models: v.pipe(v.array(v.strictObject({ name: v.string(), folder: v.string() })), v.minLength(1)),
});
export type Experiment = Omit<v.InferOutput<typeof experimentSchema>, "format">;

export async function writeExperiment(path: string, experiment: Experiment): Promise<void> {
  await writeJson(`${path}/experiment.json`, { format: FOLDER_FORMATS.experiment, ...experiment });
}

/** Reads experiment.json; undefined for a folder without this file. @throws UserError for a damaged file. */
export function readExperiment(path: string): Promise<Experiment | undefined> {
  return readJson(`${path}/experiment.json`, experimentSchema);
}

/** Names of the metrics in a {@link PartOutcome}, in the order of the printed table. */
export const outcomeColumns = [
  "val loss",
  "val prec@1",
  "val prec@2",
  "test loss",
  "test prec@1",
  "test prec@2",
  "sampling",
] as const;
export const SAMPLING_NOTE =
  "sampling: half-width of the 95 % bootstrap interval of test prec@1 over test users";

/**
 * Metrics of a reward or a generator. Each metric comes from the snapshot with the best value of this metric
 * on the validation users. A missing metric is NaN: a generator has no loss.
 */
export type PartOutcome = Readonly<Record<typeof outcomeColumns[number], number>>;

export interface SeedOutcome {
  readonly reward: PartOutcome;
  readonly pi?: PartOutcome;
  /** Validation log of the last training stage (the adversarial stage, if the model has one). */
  readonly log: RunLog;
}

/** A model with the outcomes of its trainings: one per seed, in the order of the seeds. */
export interface ModelOutcome {
  readonly model: ExperimentModel;
  readonly seeds: readonly SeedOutcome[];
}

/** Returns the folder of the last training stage (the adversarial stage, if the model has one). */
function stageFolder(model: ExperimentModel, path: string, seed: number): string {
  const run = getSeedFolder(`${path}/${model.folder}`, seed);
  return model.adversarialAfter === undefined ? run : `${run}/adversarial`;
}

/** Reads a run's test metrics; undefined for an unfinished run. @throws UserError for a damaged run. */
export async function readOutcome(
  model: ExperimentModel,
  path: string,
  seed: number,
): Promise<SeedOutcome | undefined> {
  const folder = stageFolder(model, path, seed);
  const result = await readJson(`${folder}/result.json`, resultSchema);
  if (!result?.test) return undefined;
  const tests = result.test;
  const game = model.adversarialAfter !== undefined;
  const log = await readLog(`${folder}/validation.csv`, [
    "loss",
    "prec1",
    "prec2",
    ...(game ? ["pi_prec1", "pi_prec2"] : []),
  ]);
  const test = (by: string) => {
    const found = tests.find(({ snapshot }) => snapshot === `best-${by}`);
    return found ??
      damaged(`Expected metrics of best-${by} in ${folder}/result.json, found no such metrics.`);
  };
  const valueAt = (column: string, iteration: number) =>
    log.columns.get(column)?.[log.iteration.indexOf(iteration)] ??
      damaged(
        `Expected ${column} of iteration ${iteration} in ${folder}/validation.csv, found no such value.`,
      );
  const damaged = (text: string): never => {
    throw new UserError(`${text} To train this model again, remove the folder ${folder}.`);
  };
  const [loss, prec1, prec2] = [test("loss"), test("prec1"), test("prec2")];
  const readPart = (by: "" | "pi_", lossOf?: typeof loss): PartOutcome => {
    const [first, second] = by === "" ? ["prec1", "prec2"] as const : ["piPrec1", "piPrec2"] as const;
    const [low, high] = prec1.details.intervals[first] ?? [NaN, NaN];
    return {
      "val loss": lossOf ? valueAt("loss", lossOf.iteration) : NaN,
      "val prec@1": valueAt(`${by}prec1`, prec1.iteration),
      "val prec@2": valueAt(`${by}prec2`, prec2.iteration),
      "test loss": lossOf?.details.metrics.nll ?? NaN,
      "test prec@1": prec1.details.metrics[first] ?? NaN,
      "test prec@2": prec2.details.metrics[second] ?? NaN,
      sampling: (high - low) / 2,
    };
  };
  // An adversarial stage has no snapshot with the best likelihood; its loss is that of pi's best prec@1.
  return { reward: readPart("", game ? prec1 : loss), ...(game && { pi: readPart("pi_") }), log };
}

/** Builds the rows of the results table: a name, then per metric the mean and sd over the seeds. */
export function listOutcomeRows(outcomes: readonly ModelOutcome[]): [name: string, ...cells: string[]][] {
  return outcomes.flatMap(({ model: { name, adversarialAfter }, seeds }) => {
    const rewards = seeds.map(({ reward }) => reward);
    if (adversarialAfter === undefined) return [buildRow(name, rewards)];
    return [
      buildRow(`${name}: reward`, rewards),
      buildRow(`${name}: pi`, seeds.flatMap(({ pi }) => pi ?? [])),
    ];
  });
}

function buildRow(name: string, parts: readonly PartOutcome[]): [name: string, ...cells: string[]] {
  // Formats a metric with four digits after the point, for example ".8737".
  const fixed = (value: number) => Number.isNaN(value) ? "-" : value.toFixed(4).replace(/^0/, "");
  const cells = outcomeColumns.map((column) => {
    const values = parts.map((part) => part[column]);
    const isSampling = column === "sampling";
    const { mean, sd } = meanAndSd(isSampling ? values.filter((value) => !Number.isNaN(value)) : values);
    if (Number.isNaN(mean)) return "-";
    // All seeds have the same test users, so only the mean of the half-widths is of interest.
    return isSampling ? `+- ${fixed(mean)}` : `${fixed(mean)} +- ${fixed(sd)}`;
  });
  return [name, ...cells];
}

type Measure = (outcome: SeedOutcome) => number;

const testPrec1: Measure = ({ reward }) => reward["test prec@1"];
const piPrec1: Measure = ({ pi }) => pi?.["test prec@1"] ?? NaN;
const meanPiPrec1: Measure = ({ log }) => meanAndSd(numbers(log.columns.get("pi_prec1"))).mean;

/** Returns an extrapolation: best validation prec@1 plus its gain in the second half of training. */
function extrapolatePrec1({ reward, log }: SeedOutcome): number {
  const prec1 = numbers(log.columns.get("prec1"));
  const half = Math.ceil(prec1.length / 2);
  return reward["val prec@1"] + Math.max(...prec1) - Math.max(...prec1.slice(0, half));
}

function numbers(values: readonly (number | null)[] = []): number[] {
  return values.filter((value) => value !== null);
}

/** Published claim that one model's measure (`more`) is larger than another model's measure (`less`). */
interface PublishedClaim {
  readonly claim: string;
  /** Name of the difference in messages, such as "the gain in test prec@1". */
  readonly what: string;
  /** Folder name and measure of the model with the larger measure. */
  readonly more: readonly [folder: string, measure: Measure];
  readonly less: readonly [folder: string, measure: Measure];
  /** True if the measures are losses. Differences of other measures are formatted as percentage points. */
  readonly isLoss?: true;
}

const publishedClaims: readonly PublishedClaim[] = [
  ...["64-64", "32-64-32"].map((dims): PublishedClaim => ({
    claim: `(1) Adversarial fine-tuning helps generalisation (${dims})`,
    what: "the gain in test prec@1 from the initial model to the fine-tuned generator",
    more: [`fine-tuned-${dims}`, piPrec1],
    less: [`baseline-${dims}`, testPrec1],
  })),
  {
    claim: "(2) Shannon pre-training is essential",
    what: "the gain in the generator's test prec@1 from pre-training",
    more: ["fine-tuned-64-64", piPrec1],
    less: ["l2-nopretrain-64-64", piPrec1],
  },
  {
    claim: "(3) Skipping pre-training harms convergence too",
    what: "the gain from pre-training in the generator's mean validation prec@1 over the adversarial stage",
    more: ["fine-tuned-64-64", meanPiPrec1],
    less: ["l2-nopretrain-64-64", meanPiPrec1],
  },
  {
    claim: "(4) Batch normalisation worsens convergence",
    what: "the increase in the best validation loss by batch normalisation",
    more: ["batchnorm-64-64", ({ reward }) => reward["val loss"]],
    less: ["baseline-64-64", ({ reward }) => reward["val loss"]],
    isLoss: true,
  },
  {
    claim: "(5) Late Shannon training improves slowly, and adversarial fine-tuning restarts progress",
    what:
      "the gain in best validation prec@1 by fine-tuning minus the gain by the second half of Shannon training",
    more: ["fine-tuned-64-64", ({ pi }) => pi?.["val prec@1"] ?? NaN],
    less: ["baseline-64-64", extrapolatePrec1],
  },
];

/** Tests each claim: computes the confidence interval of two models' difference, paired by seed. */
export function testClaims(outcomes: readonly ModelOutcome[]): Claim[] {
  return publishedClaims.flatMap(({ claim, what, more, less, isLoss }) => {
    const [scale, digits, unit] = isLoss ? [1, 3, ""] as const : [100, 1, " points"] as const;
    const [a, b] = [more, less].map(([folder, measure]) =>
      outcomes.find(({ model }) => model.folder === folder)?.seeds.map((seed) => scale * measure(seed))
    );
    if (!a || !b) return [];
    const { mean, low, high, count } = computePairedDifference(a, b);
    const interval = [low, high] as const;
    const range = count > 1
      ? `${describeInterval(interval, digits)} over ${count} seeds`
      : "one seed has no interval";
    const holds = judgeClaim(interval);
    const outcome = claimOutcomes[holds];
    const start = outcome.slice(0, 1).toUpperCase() + outcome.slice(1);
    return [{ claim, holds, text: `${start}: ${what} is ${formatSigned(mean, digits)}${unit} (${range}).` }];
  });
}

/**
 * The published experiments on one data set: the models with their order and folders, and the results:
 * metrics per model and seed, and outcomes of the published claims.
 */

import * as v from "../schema.ts";
import type { ItemFeatures } from "../data/click_log.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../model/model_config.ts";
import { FOLDER_FORMATS } from "../files/folder_formats.ts";
import { readJson, writeJson } from "../files/json_file.ts";
import { meanAndSd } from "../data/mean_sd.ts";
import { resultSchema, type RunLog } from "../report/report_data.ts";
import { readLog } from "../report/collect.ts";
import { getSeedFolder } from "../run/seeds_folder.ts";
import { UserError } from "../user_error.ts";
import { computePairedDifference, type PairedDifference } from "../data/paired_difference.ts";
import { claimOutcomes, describeInterval, formatSigned, judgeClaim } from "../metrics/baseline_verdict.ts";
import type { Claim } from "../metrics/baseline_verdict.ts";

export interface ExperimentModel {
  readonly name: string;
  readonly folder: string;
  readonly model: ModelConfig;
  /**
   * Folder name of the model whose Shannon stage pre-trains the adversarial stage, or "none" without
   * pre-training; undefined for a model without an adversarial stage.
   */
  readonly adversarialAfter?: string | "none";
}

const reports: ExperimentModel[] = [
  { name: "Baseline 64-64", folder: "baseline-64-64", model: defaultModel },
  { name: "BatchNorm 64-64", folder: "batchnorm-64-64", model: { ...defaultModel, batchNorm: true } },
  { name: "Baseline 32-64-32", folder: "baseline-32-64-32", model: { ...defaultModel, dims: [32, 64, 32] } },
  {
    name: "Fine-tuned 32-64-32",
    folder: "fine-tuned-32-64-32",
    model: { ...defaultModel, dims: [32, 64, 32] },
    adversarialAfter: "baseline-32-64-32",
  },
  {
    name: "L2 NoPretrain 64-64",
    folder: "l2-nopretrain-64-64",
    model: defaultModel,
    adversarialAfter: "none",
  },
  {
    name: "Fine-tuned 64-64",
    folder: "fine-tuned-64-64",
    model: defaultModel,
    adversarialAfter: "baseline-64-64",
  },
];

const pw: ExperimentModel[] = [
  { name: "PW 64-64", folder: "pw-64-64", model: defaultPwModel },
  {
    name: "Fine-tuned PW 64-64",
    folder: "fine-tuned-pw-64-64",
    model: defaultPwModel,
    adversarialAfter: "pw-64-64",
  },
  { name: "PW tanh 64-64", folder: "pw-tanh-64-64", model: { ...defaultPwModel, pwNonlinearity: "tanh" } },
  {
    name: "Fine-tuned PW tanh 64-64",
    folder: "fine-tuned-pw-tanh-64-64",
    model: { ...defaultPwModel, pwNonlinearity: "tanh" },
    adversarialAfter: "pw-tanh-64-64",
  },
];

/** All models in the order of training: six of the original reports, then four with position weights (PW). */
export const experimentModels: readonly ExperimentModel[] = [...reports, ...pw];

/** Returns true if a model supports this kind of item features. PW models with tanh do not support tokens. */
export function supportsItems({ model }: ExperimentModel, items: ItemFeatures["kind"]): boolean {
  return items !== "mixed" || model.encoder !== "pw" || model.pwNonlinearity !== "tanh";
}

const experimentSchema = v.strictObject({
  format: v.literal(FOLDER_FORMATS.experiment),
  /** Data set as the user typed it: a file, or the name of a synthetic shop. */
  data: v.string(),
  /** Seed of a synthetic shop, if typed. `dataUsersSeed` is the separate seed of the shop's users. */
  dataSeed: v.optional(v.wholeNumber()),
  dataUsersSeed: v.optional(v.wholeNumber()),
  resplit: v.boolean(),
  seeds: v.pipe(v.array(v.wholeNumber()), v.minLength(1)),
  /** Iterations of the Shannon stage; `adversarial`: iterations of the adversarial stage. */
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

/** Metrics of a model with one seed, each from the snapshot with the metric's best validation value. */
export interface SeedOutcome extends TestedFigures<FigureSet> {
  /** Half-widths of the 95 % bootstrap intervals of test prec@1, for the reward and the generator pi. */
  readonly sampling: { readonly reward: number; readonly pi: number };
  /** Metrics of the generator pi; undefined for a model without a generator. */
  readonly pi: TestedFigures<Omit<FigureSet, "loss">> | undefined;
  /** Validation log of the stage that only this model trains (its adversarial stage, if it has one). */
  readonly log: RunLog;
}

interface FigureSet {
  readonly loss: number;
  readonly prec1: number;
  readonly prec2: number;
}

/** Metrics of a reward or a generator. A generator has no loss. */
interface TestedFigures<F extends Partial<FigureSet> = Partial<FigureSet>> {
  readonly validation: F;
  readonly test: F;
}

/** A model with one outcome per seed, in the order of the seeds. */
export interface ModelOutcome {
  readonly model: ExperimentModel;
  readonly seeds: readonly SeedOutcome[];
}

/** Returns the folder of the stage that only this model trains: its adversarial stage, or its whole run. */
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
    return found ?? damaged(`Expected metrics of best-${by} in ${folder}/result.json, found none.`);
  };
  const valueAt = (column: string, iteration: number) =>
    log.columns.get(column)?.[log.iteration.indexOf(iteration)] ??
      damaged(`Expected ${column} of iteration ${iteration} in ${folder}/validation.csv, found none.`);
  const damaged = (text: string): never => {
    throw new UserError(`${text} Remove the folder ${folder} to train it again.`);
  };
  const [loss, prec1, prec2] = [test("loss"), test("prec1"), test("prec2")];
  const sampling = (name: string) => {
    const interval = prec1.details?.intervals[name];
    return interval ? (interval[1] - interval[0]) / 2 : NaN;
  };
  return {
    sampling: { reward: sampling("prec1"), pi: sampling("piPrec1") },
    validation: {
      // A game's loss is no likelihood, so a reward's loss is from the snapshot with pi's best prec@1.
      loss: valueAt("loss", (game ? prec1 : loss).iteration),
      prec1: valueAt("prec1", prec1.iteration),
      prec2: valueAt("prec2", prec2.iteration),
    },
    test: {
      loss: (game ? prec1 : loss).nll ?? NaN,
      prec1: prec1.prec1 ?? NaN,
      prec2: prec2.prec2 ?? NaN,
    },
    pi: !game ? undefined : {
      validation: {
        prec1: valueAt("pi_prec1", prec1.iteration),
        prec2: valueAt("pi_prec2", prec2.iteration),
      },
      test: { prec1: prec1.piPrec1 ?? NaN, prec2: prec2.piPrec2 ?? NaN },
    },
    log,
  };
}

export interface ModelOutcomeRow {
  readonly name: string;
  /** One text "mean +- sd" per metric; "-" for a missing metric. */
  readonly cells: readonly string[];
}

export const OUTCOME_HEAD = [
  ...["", "val loss", "val prec@1", "val prec@2", "test loss", "test prec@1", "test prec@2", "sampling"],
];
export const SAMPLING_NOTE =
  "sampling: half-width of the 95 % bootstrap interval of test prec@1 over test users";

/** Builds the table's rows: mean and standard deviation of each metric over the seeds. */
export function listModelOutcomeRows(outcomes: readonly ModelOutcome[]): ModelOutcomeRow[] {
  const cell = (values: readonly number[]) => {
    const { mean, sd } = meanAndSd(values);
    return `${fixed(mean)} +- ${Number.isNaN(sd) ? "-" : fixed(sd)}`;
  };
  return outcomes.flatMap(({ model, seeds }) => {
    const row = (name: string, by: "reward" | "pi", of: readonly TestedFigures[]): ModelOutcomeRow => ({
      name,
      cells: [
        ...(["validation", "test"] as const).flatMap((set) =>
          (["loss", "prec1", "prec2"] as const).map((metric) =>
            by === "pi" && metric === "loss" ? "-" : cell(of.map((own) => own[set][metric] ?? NaN))
          )
        ),
        describeSampling(seeds.map(({ sampling }) => sampling[by])),
      ],
    });
    if (model.adversarialAfter === undefined) return [row(model.name, "reward", seeds)];
    return [
      row(`${model.name}: reward`, "reward", seeds),
      row(`${model.name}: pi`, "pi", seeds.flatMap(({ pi }) => pi ?? [])),
    ];
  });
}

/** Formats the mean half-width of the intervals over the seeds, which all have the same test users. */
function describeSampling(values: readonly number[]): string {
  const { mean } = meanAndSd(values.filter((value) => !Number.isNaN(value)));
  return Number.isNaN(mean) ? "-" : `+- ${fixed(mean)}`;
}

/** Formats a number with four digits after the point, for example ".8737". */
function fixed(value: number): string {
  return value.toFixed(4).replace(/^0/, "");
}

/** Tests the published claims about the trained models, by paired differences over the seeds. */
export function testClaims(outcomes: readonly ModelOutcome[]): Claim[] {
  const of = (folder: string) => outcomes.find(({ model }) => model.folder === folder)?.seeds;
  const [baseline, batchNorm, wide] = ["baseline-64-64", "batchnorm-64-64", "baseline-32-64-32"].map(of);
  const [tuned, tunedWide, random] = ["fine-tuned-64-64", "fine-tuned-32-64-32", "l2-nopretrain-64-64"].map(
    of,
  );
  const claims: Claim[] = [];
  const pairs = [["64-64", baseline, tuned], ["32-64-32", wide, tunedWide]] as const;
  for (const [dims, before, after] of pairs) {
    if (!before || !after) continue;
    claims.push(claim(
      `(1) Adversarial fine-tuning helps generalisation (${dims})`,
      points(after.map(piPrec1), before.map(testPrec1)),
      "the gain in test prec@1 from the initial model to the fine-tuned generator",
    ));
  }
  if (tuned && random) {
    claims.push(claim(
      "(2) Shannon pre-training is essential",
      points(tuned.map(piPrec1), random.map(piPrec1)),
      "the gain in the generator's test prec@1 from pre-training",
    ));
    claims.push(claim(
      "(3) Skipping pre-training harms convergence too",
      points(tuned.map(meanPiPrec1), random.map(meanPiPrec1)),
      "the gain from pre-training in the generator's mean validation prec@1 over the adversarial stage",
    ));
  }
  if (baseline && batchNorm) {
    claims.push(claim(
      "(4) Batch normalisation worsens convergence",
      computePairedDifference(batchNorm.map(valLoss), baseline.map(valLoss)),
      "the increase in the best validation loss by batch normalisation",
    ));
  }
  if (baseline && tuned) {
    claims.push(claim(
      "(5) Shannon training improves slowly late, and fine-tuning restarts progress",
      points(
        tuned.map((s, k) => (s.pi?.validation.prec1 ?? NaN) - (baseline[k]?.validation.prec1 ?? NaN)),
        baseline.map(lateGain),
      ),
      "the gain in best validation prec@1 by fine-tuning minus the gain by the second half of Shannon training",
    ));
  }
  return claims;
}

const testPrec1 = (s: SeedOutcome) => s.test.prec1;
const piPrec1 = (s: SeedOutcome) => s.pi?.test.prec1 ?? NaN;
const valLoss = (s: SeedOutcome) => s.validation.loss;
const meanPiPrec1 = ({ log }: SeedOutcome) => meanAndSd(numbers(log.columns.get("pi_prec1"))).mean;

/** Returns how much the best validation prec@1 increased in the second half of training. */
function lateGain({ log }: SeedOutcome): number {
  const prec1 = numbers(log.columns.get("prec1"));
  const half = Math.ceil(prec1.length / 2);
  return Math.max(...prec1) - Math.max(...prec1.slice(0, half));
}

function numbers(values: readonly (number | null)[] = []): number[] {
  return values.filter((value) => value !== null);
}

/** Computes a paired difference in percentage points. */
function points(a: readonly number[], b: readonly number[]): PairedDifference & { points: true } {
  return { ...computePairedDifference(a.map((x) => 100 * x), b.map((x) => 100 * x)), points: true };
}

/** Tests the claim that a difference is above 0. @param what - description of the difference */
function claim(name: string, d: PairedDifference & { points?: true }, what: string): Claim {
  const interval = [d.low, d.high] as const;
  const holds = judgeClaim(interval);
  const digits = d.points ? 1 : 3;
  const unit = d.points ? " points" : "";
  const range = Number.isFinite(d.low)
    ? `${describeInterval(interval, digits)} over ${d.count} seeds`
    : "one seed has no interval";
  const outcome = claimOutcomes[holds];
  const start = outcome.slice(0, 1).toUpperCase() + outcome.slice(1);
  return {
    claim: name,
    holds,
    text: `${start}: ${what} is ${formatSigned(d.mean, digits)}${unit} (${range}).`,
  };
}

/**
 * The end of a stage: the test figures of its snapshots, beside the baselines. Their description says how the model compares with the baselines, how the training
 * went, and what to try.
 */

import { listUsers } from "../data/click_log.ts";
import type { OnProgress } from "../data/log_source.ts";
import { compareScorings, packSums, type TestResult } from "../metrics/test_result.ts";
import { criteria } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { StagesConfig } from "../train/training_config.ts";
import type { Weights } from "../tape/parameters.ts";
import type { SnapshotName } from "./run_state.ts";
import {
  type BaselineResults,
  buildSnapshotResult,
  getProbabilityOptions,
  type SnapshotDifferences,
  type SnapshotResult,
  type TestedData,
  TestedUsers,
} from "./tested_users.ts";
import type { StageMetrics, TrainingStage } from "./stages.ts";
import type { KeptStart } from "./kept_start.ts";
import { describeUnusedFeatures, type ItemData } from "../data/item_ids.ts";
import {
  classifyAgainstBaselines,
  compareRanking,
  compareWithBaselines,
  describeUsers,
  describeVerdict,
} from "../metrics/baseline_verdict.ts";
import { formatThousands } from "../number_text.ts";
import { LOGIT_SEED } from "../metrics/baselines/scorers.ts";

/** What the test users say of a stage that is finished. */
export interface StageTest {
  readonly test: readonly SnapshotResult[];
  readonly baselines: BaselineResults;
  readonly snapshots: readonly SnapshotDifferences[];
  /** What follows from it, a sentence or two each. */
  readonly verdict: readonly string[];
}

/**
 * Tests the snapshots of a stage.
 * @param trainer keeps the weights that it has. @param kept what takes the place of its lowest validation loss.
 */
export async function testStage(
  stage: TrainingStage,
  trainer: ClickTrainer<StageMetrics>,
  data: TestedData,
  config: StagesConfig,
  onProgress: OnProgress | undefined,
  kept: KeptStart | undefined,
): Promise<StageTest> {
  const users = listUsers(data.source, "test");
  const tested = TestedUsers.ofPart(data, "test", onProgress);
  using evaluation = await trainer.evaluation(users, config.training.evaluationShards);
  const test: SnapshotResult[] = [];
  const all: { snapshot: SnapshotName; tested: TestResult }[] = [];
  const take = async (snapshot: SnapshotName, iteration: number, weights: Weights) => {
    const onShard = (done: number, all: number) => onProgress?.(`Test users, ${snapshot}`, done, all);
    const found = await tested.test(evaluation, getProbabilityOptions(config.model, weights), onShard);
    test.push({
      ...buildSnapshotResult(snapshot, iteration, found, tested),
      paired: packSums(found.tested),
    });
    all.push({ snapshot, tested: found.tested });
  };
  const last = await trainer.weights();
  for (const criterion of criteria) {
    const start = criterion === "loss" ? kept : undefined;
    const { value, iteration } = start?.record ?? trainer.best[criterion];
    if (!Number.isFinite(value)) continue;
    const weights = start?.weights ?? await trainer.snapshot(criterion);
    trainer.setWeights(weights);
    await take(`best-${criterion}`, iteration, weights);
  }
  trainer.setWeights(last);
  await take("last", trainer.iteration, last);
  const snapshots = all.flatMap(({ snapshot, tested }, k) =>
    all.slice(k + 1).map((other) => ({
      snapshot,
      minus: other.snapshot,
      differences: compareScorings(tested, other.tested),
    }))
  );
  const found = { test, baselines: tested.results(), snapshots };
  return { ...found, verdict: describeTest(test, stage, config, data, trainer.iteration) };
}

/** Of the iterations that were done, the share in which a best validation is early. */
const EARLY = 0.05;
/** And from which on it is late: validations jump about, so that the best is seldom the very last. */
const LATE = 0.9;

/** Describes the test of a finished stage. @param iterations of the stage */
export function describeTest(
  test: readonly SnapshotResult[],
  stage: TrainingStage,
  config: StagesConfig,
  data: ItemData,
  iterations: number,
): string[] {
  return [
    ...describeRanking(test, data, stage.judged),
    // A game's utilities are no log-odds, and a uniform guess knows that a page has one click, which the logistic loss does
    // not: their losses are shown, and say nothing against them.
    ...(stage.hasLikelihood && config.model.loss === "choice" ? describeLoss(test) : []),
    ...(stage.hasLikelihood ? describeTraining(test, config, data, iterations) : []),
  ];
}

/** Compares a ranking with the baselines, and advises what to try where it is not better. @param split whose users they are */
export function describeRanking(
  test: readonly SnapshotResult[],
  data: ItemData,
  judged?: SnapshotResult["snapshot"],
  split?: string,
): string[] {
  const verdict = compareRanking(test, judged, split);
  if (!verdict) return [];
  const { comparisons } = verdict;
  const words = describeVerdict(verdict);
  const isKnown = comparisons.some(({ interval }) => interval);
  if (!isKnown || classifyAgainstBaselines(comparisons) === "better") return words;
  return [
    ...words,
    `Try ${
      describeUnusedFeatures(data)
    }, other options by deno task tune, and look at what deno task data describe ` +
    "says of the log. Until the model is better, the best baseline is the simpler choice.",
  ];
}

/** Says so where the probabilities are not better than those of every baseline: of best-loss, or of a single snapshot. */
export function describeLoss(test: readonly SnapshotResult[], split?: string): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss") ??
    (test.length === 1 ? test[0] : undefined);
  if (!best) return [];
  const comparisons = compareWithBaselines([best.against], "nll").filter(({ interval }) => interval);
  if (classifyAgainstBaselines(comparisons) === "better") return [];
  const subject = `the loss of ${best.snapshot} (${best.nll.toFixed(4)})`;
  return describeVerdict({ subject, metric: "nll", comparisons, users: describeUsers(best.users, split) });
}

/** Says how the baseline differs from the logit that a training starts from. */
function describeLogitRow(
  { positions, wide }: StagesConfig["model"],
  { seed }: StagesConfig["training"],
  { source: { items: { shape } } }: ItemData,
): string {
  const hasNumbers = shape.kind !== "one-hot" && shape.width > 0;
  return [
    'The row "logit on counts" differs from it, as its probabilities are fitted once more on validation users',
    ...(positions > 0 ? ["it ranks by places, too"] : []),
    ...(wide > 0 && hasNumbers ? ["its features do not meet the last clicks"] : []),
    ...(seed !== LOGIT_SEED ? [`a large log's pages are drawn for it by the seed ${LOGIT_SEED}`] : []),
  ].join("; ") + ".";
}

/** Says so where the best validation was at the end of the training, or at its beginning. */
function describeTraining(
  test: readonly SnapshotResult[],
  { model, training }: StagesConfig,
  data: ItemData,
  iterations: number,
): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss");
  if (!best || iterations < 2 * training.validateEvery) return [];
  const of = `iteration ${formatThousands(best.iteration)} of ${formatThousands(iterations)}`;
  if (best.iteration >= LATE * iterations) {
    return [
      `The validation loss was best near the end (best-loss is of ${of}). Training longer may help: ` +
      `--resume with --iterations ${2 * iterations}, or a larger --learning-rate.`,
    ];
  }
  if (best.iteration === 0 && model.counts) {
    return [
      "best-loss is the logit on counts that the training started from: on the validation users no later weights were " +
      "better than it by more than chance. The log may hold no more than counts tell; more users would show more. " +
      describeLogitRow(model, training, data),
    ];
  }
  if (best.iteration > EARLY * iterations) return [];
  const tries = [
    ...(training.weightDecay === 0 ? ["--weight-decay 10"] : ["a larger --weight-decay"]),
    ...(training.itemDropout === 0 ? ["--item-dropout 0.2"] : []),
    "a smaller --learning-rate",
    "smaller --dims",
  ];
  return [
    `The validation loss was best at ${of} and rose from then on: the model over-fits at once. Try ` +
    `${tries.join(", ")}${training.earlyStopping === null ? "; --early-stopping loss saves the time" : ""}.`,
  ];
}

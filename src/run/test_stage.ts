/** Tests the snapshots of a finished stage, compares them with baselines, and gives advice on training. */

import { listUsers } from "../data/click_log.ts";
import type { OnProgress } from "../data/log_source.ts";
import { compareScorings, packSums, type TestResult } from "../metrics/test_result.ts";
import { criteria } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { StagesConfig } from "../train/training_config.ts";
import type { Weights } from "../tape/parameters.ts";
import type { SnapshotName } from "./run_state.ts";
import { buildSnapshotResult, getProbabilityOptions, TestedUsers } from "./tested_users.ts";
import type { BaselineResults, SnapshotDifferences, SnapshotResult, TestedData } from "./tested_users.ts";
import type { StageMetrics, TrainingStage } from "./stages.ts";
import type { RescaledBest } from "./best_loss_choice.ts";
import {
  type BaselineDifferences,
  classifyAgainstBaselines,
  compareRanking,
  compareWithBaselines,
  describeUsers,
  describeVerdict,
  findJudged,
  isEqualToBest,
} from "../metrics/baseline_verdict.ts";
import { formatThousands } from "../number_text.ts";
import { baselineNames, baselineOptions, baselineTitles } from "../metrics/baselines/baseline_names.ts";

export interface StageTest {
  readonly test: readonly SnapshotResult[];
  readonly baselines: BaselineResults;
  readonly snapshots: readonly SnapshotDifferences[];
  readonly verdict: readonly string[];
}

/** Tests a stage's snapshots, then restores the trainer's weights. @param rescaled - weights of best-loss */
export async function testStage(
  stage: TrainingStage,
  trainer: ClickTrainer<StageMetrics>,
  data: TestedData,
  config: StagesConfig,
  onProgress: OnProgress | undefined,
  rescaled: RescaledBest | undefined,
): Promise<StageTest> {
  const users = listUsers(data.source, "test");
  const tested = TestedUsers.ofPart(data, "test", onProgress);
  using evaluation = await trainer.evaluation(users, config.training.evaluationShards);
  const test: SnapshotResult[] = [];
  const all: { snapshot: SnapshotName; tested: TestResult }[] = [];
  const take = async (snapshot: SnapshotName, iteration: number, weights: Weights) => {
    const onShard = (done: number, all: number) => onProgress?.(`Test users, ${snapshot}`, done, all);
    const options = getProbabilityOptions(config.model, weights);
    const found = await tested.test(evaluation, options, onShard);
    const { positionEffects } = options;
    test.push({
      ...(positionEffects && { positionEffects }),
      ...buildSnapshotResult(snapshot, iteration, found, tested),
      paired: packSums(found.tested),
    });
    all.push({ snapshot, tested: found.tested });
  };
  const last = await trainer.weights();
  for (const criterion of criteria) {
    const chosen = criterion === "loss" ? rescaled : undefined;
    const { value, iteration } = chosen?.record ?? trainer.best[criterion];
    if (!Number.isFinite(value)) continue;
    const weights = chosen?.weights ?? await trainer.snapshot(criterion);
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
  const verdict = describeTest(test, stage, config, trainer.iteration);
  return { ...found, verdict: [...verdict, ...describeScale(rescaled)] };
}

/** Describes the rescaling of trained weights in best-loss. describeTest describes a rescaled logit. */
function describeScale(rescaled: RescaledBest | undefined): string[] {
  if (!rescaled || rescaled.record.iteration === 0) return [];
  const { offset, slope } = rescaled.scale;
  const line = `${offset.toFixed(3)} + ${slope.toFixed(3)} u`;
  return [
    `The utilities u of best-loss were rescaled to ${line}: this fits validation users significantly better.`,
  ];
}

/** A best validation is early in the first 5 % of the iterations, and late in the last 10 %. */
const EARLY = 0.05;
const LATE = 0.9;

/** Advice after a test. The results of a search for options omit this advice. */
export const SEARCH_ADVICE = "A search of options (deno task tune) may help.";

/** Describes the test of a finished stage in sentences. @param iterations - iterations of the stage */
export function describeTest(
  test: readonly SnapshotResult[],
  stage: TrainingStage,
  config: StagesConfig,
  iterations: number,
): string[] {
  // A baseline's loss is the loss of a choice among items. The logistic loss is the loss of independent
  // clicks, and after an adversarial stage utilities are not log-odds: these losses are not compared.
  const isChoice = stage.hasLikelihood && config.model.loss === "choice";
  const all = [
    ...describeRanking(test, stage.judged, { isChoice }),
    ...(isChoice ? describeLoss(test) : []),
    ...(stage.hasLikelihood ? describeTraining(test, config, iterations) : []),
  ];
  return [...new Set(all)];
}

/**
 * Compares a model's ranking with the baselines. If the model is not better than all baselines, the sentences
 * end with advice, for example to rank by the best baseline.
 * @param judged - snapshot to compare; the last snapshot if undefined
 * @param options - split: name of the tested users. isTrainingData: true if model and baselines were fitted
 * to the same data, which allows advice. isChoice: true if the losses are comparable. fittedTo: name of the
 * data to which the baselines were fitted; undefined if the model was fitted to the same data.
 */
export function describeRanking(
  test: readonly SnapshotResult[],
  judged: SnapshotResult["snapshot"] | undefined,
  { split, isTrainingData = true, isChoice, fittedTo }: {
    readonly split?: string;
    readonly fittedTo?: string | undefined;
    readonly isTrainingData?: boolean;
    readonly isChoice: boolean;
  },
): string[] {
  const verdict = compareRanking(test, judged, split);
  if (!verdict) return [];
  const { comparisons } = verdict;
  const words = describeVerdict({ ...verdict, fittedTo });
  const isKnown = isTrainingData && comparisons.some(({ interval }) => interval);
  if (!isKnown || classifyAgainstBaselines(comparisons) === "better") return words;
  const more = [SEARCH_ADVICE, "More users, or further item or context features (data/README.md), may help."];
  if (isEqualToBest(comparisons)) return [...words, ...more];
  const own = findJudged(test, judged);
  const isLossBetter = isChoice && own &&
    classifyAgainstBaselines(compareWithBaselines([own.against], "nll")) === "better";
  if (isLossBetter && classifyAgainstBaselines(comparisons) !== "worse") return [...words, ...more];
  const best = comparisons[0]?.name;
  const name = baselineNames.find((name) => baselineTitles[name] === best);
  const option = name ? `: --baseline ${baselineOptions[name]} of predict, recommend, serve and export` : "";
  return [
    ...words,
    `Until the model ranks better than the baselines, rank by the best baseline (${best}${option}).`,
    ...more,
  ];
}

/** Compares the loss of best-loss (or, without best-loss, of the only snapshot) with the baselines. */
export function describeLoss(
  test: readonly {
    readonly snapshot: string;
    readonly nll: number;
    readonly users?: number;
    readonly against: BaselineDifferences;
  }[],
  split?: string,
  fittedTo?: string,
): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss") ??
    (test.length === 1 ? test[0] : undefined);
  if (!best) return [];
  const comparisons = compareWithBaselines([best.against], "nll");
  if (comparisons.some(({ interval }) => !interval)) return [];
  const subject = `the loss of ${best.snapshot} (${best.nll.toFixed(4)})`;
  const users = describeUsers(best.users, split);
  return describeVerdict({ subject, metric: "nll", comparisons, users, fittedTo });
}

function describeTraining(
  test: readonly SnapshotResult[],
  { model, training }: StagesConfig,
  iterations: number,
): string[] {
  const best = test.find(({ snapshot }) => snapshot === "best-loss");
  if (!best || iterations < 2 * training.validateEvery) return [];
  const of = `iteration ${formatThousands(best.iteration)} of ${formatThousands(iterations)}`;
  if (best.iteration >= LATE * iterations) {
    return [
      `The validation loss was best near the end (best-loss: ${of}). Training longer may help: ` +
      `--resume with --iterations ${2 * iterations}, or a larger --learning-rate.`,
    ];
  }
  if (best.iteration === 0 && model.counts) {
    return [
      "best-loss is the logit on counts with which training started: no later weights were significantly better " +
      "on the validation users.",
    ];
  }
  if (best.iteration > EARLY * iterations) return [];
  return [
    `The validation loss was best at ${of} and rose afterwards: the model overfits early. Other values ` +
    `of --weight-decay, --item-dropout, --learning-rate and --dims may help.`,
    SEARCH_ADVICE,
  ];
}

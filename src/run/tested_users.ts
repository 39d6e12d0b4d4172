/** The figures of users, as result.json has them: of the snapshots and baselines that are tested on them, all on the same resamples. */

import {
  type BaselineName,
  baselineNames,
  type BaselineResult,
  baselineTitles,
  FittedBaselines,
} from "../metrics/baselines/baselines.ts";
import { listUsers, type Split } from "../data/click_log.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { meanSpearman, type RankingMetrics } from "../data/ranking.ts";
import { MetricCollector } from "../metrics/metric_collector.ts";
import {
  compareScorings,
  type MetricDetails,
  type MetricDifferences,
  type StoredSums,
  type TestResult,
} from "../metrics/test_result.ts";
import {
  type EvaluationMetrics,
  type NetworkEvaluation,
  scatterUtilities,
} from "../train/network_evaluation.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { readPositionEffects } from "../model/position_effect.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import type { StageMetrics } from "./stages.ts";
import type { SnapshotName } from "./run_state.ts";

/** Figures of a baseline. A ranking has no loss. */
export interface BaselineMetricsResult extends RankingMetrics {
  readonly nll?: number;
  readonly longerPages: RankingMetrics;
  /** Which of its settings was the best on the validation users, in words. */
  readonly setting?: string;
  /** All figures with their intervals. */
  readonly details: MetricDetails;
}

/** By their names; null for one that the data do not give. */
export type BaselineResults = Readonly<Record<BaselineName | "attainable", BaselineMetricsResult | null>>;

/** What all tables show beside a model, with the names of the rows. */
export const shownBaselines: readonly (readonly [keyof BaselineResults, string])[] = [
  ...baselineNames.map((name) => [name, baselineTitles[name]] as const),
  ["attainable", "best attainable"],
];

/** How utilities become probabilities: see {@link import("../metrics/metric_collector.ts").CollectorOptions}. */
export interface ProbabilityOptions {
  readonly eta: number;
  readonly single?: boolean;
  readonly placeEffects?: readonly number[];
}

/** Of a model with these weights. */
export function getProbabilityOptions(
  { eta, loss }: Pick<ModelConfig, "eta" | "loss">,
  weights: Weights,
): ProbabilityOptions {
  return { eta, single: loss === "logistic", placeEffects: readPositionEffects(weights) };
}

/** What is known of a scoring beside the figures that the device sums. */
interface TestedModel<F extends StageMetrics> {
  readonly figures: EvaluationMetrics<F>;
  readonly tested: TestResult;
  /** How alike the reward and the truth rank a page's items, where the truth is known. */
  readonly spearman: number | undefined;
}

/** What of a data set its users' figures need. */
export type TestedData = Pick<Dataset, "source" | "features" | "places" | "truth">;

/** Of a log, whose features and places are always the same: its runs, their stages and the lab's curves share it. */
interface Known {
  readonly counted: FittedBaselines;
  readonly parts: Map<Split, TestedUsers>;
}
const knownOf = new WeakMap<LogSource, Known>();

/** Users with the baselines that were tested on them. */
export class TestedUsers {
  private constructor(
    private readonly data: TestedData,
    readonly users: Uint32Array,
    private readonly counted: FittedBaselines,
    private readonly baselines: ReadonlyMap<string, BaselineResult>,
  ) {}

  /** The users of a part: tested once a log. */
  static ofPart(data: TestedData, part: Split, onProgress?: OnProgress): TestedUsers {
    const { parts } = known(data, onProgress);
    const tested = parts.get(part) ?? TestedUsers.of(data, listUsers(data.source, part), onProgress);
    parts.set(part, tested);
    return tested;
  }

  /** Tests the baselines, which are counted once on a log's train users, on these. @param users ascending. */
  static of(data: TestedData, users: Uint32Array, onProgress?: OnProgress): TestedUsers {
    const { counted } = known(data, onProgress);
    const baselines = new Map<string, BaselineResult>(counted.test(users, onProgress));
    const { truth, source: { log } } = data;
    if (truth && log) {
      const collector = new MetricCollector(counted.collectorOptions(users, 1));
      collector.add({ log, places: users, scores: truth });
      baselines.set("attainable", { ...collector.tested(), setting: "" });
    }
    return new TestedUsers(data, users, counted, baselines);
  }

  /** Evaluates the networks as they stand. @param choice of the reward. */
  async test<F extends StageMetrics>(
    evaluation: NetworkEvaluation<F>,
    { eta, ...choice }: ProbabilityOptions,
    onShard?: (done: number, all: number) => void,
  ): Promise<TestedModel<F>> {
    const { source, truth } = this.data;
    const collector = new MetricCollector({ ...this.counted.collectorOptions(this.users, eta), ...choice });
    let utilities: Float32Array | undefined;
    if (truth && source.log) utilities = new Float32Array(truth.length).fill(NaN);
    const figures = await evaluation.evaluate(onShard, (part) => {
      const { log, indices, utilities: scores, outcomes: values, words } = part;
      collector.add({ log, places: indices, scores, compact: true, outcomes: { values, words } });
      if (utilities) scatterUtilities(source, part, utilities);
    });
    const spearman = utilities && truth && source.log &&
      meanSpearman(source.log, this.users, utilities, truth);
    const tested = collector.tested();
    return { figures: collector.hasSeveral ? ofAllClicks(figures, tested) : figures, tested, spearman };
  }

  /** How far a scoring is above each baseline. */
  against(tested: TestResult): Partial<Record<BaselineName, MetricDifferences>> {
    return Object.fromEntries(baselineNames.flatMap((name) => {
      const baseline = this.baselines.get(name);
      return baseline ? [[name, compareScorings(tested, baseline)]] : [];
    }));
  }

  /** The figures of the baselines. */
  results(): BaselineResults {
    const result = (name: string): BaselineMetricsResult | null => {
      const found = this.baselines.get(name);
      return found ? buildBaselineResult(found) : null;
    };
    return Object.fromEntries(shownBaselines.map(([name]) => [name, result(name)])) as BaselineResults;
  }
}

function known({ source, features, places }: TestedData, onProgress?: OnProgress): Known {
  const found = knownOf.get(source) ??
    { counted: FittedBaselines.of(source, features?.tokens, onProgress, places), parts: new Map() };
  knownOf.set(source, found);
  return found;
}

/** A game's sums are of the first click of each page, those of a collector of all. */
function ofAllClicks<F extends StageMetrics>(
  { longerPages, ...figures }: EvaluationMetrics<F>,
  { details }: TestResult,
): EvaluationMetrics<F> {
  const { nll, prec1, prec2, longerPrec1, longerPrec2 } = details.figures;
  const longer = { prec1: longerPrec1, prec2: longerPrec2 };
  return { ...figures, nll, prec1, prec2, longerPages: { ...longerPages, ...longer } } as EvaluationMetrics<
    F
  >;
}

function buildBaselineResult({ details, setting }: BaselineResult): BaselineMetricsResult {
  const { nll, prec1 = NaN, prec2 = NaN, longerPrec1 = NaN, longerPrec2 = NaN } = details.figures;
  return {
    ...(nll === undefined ? {} : { nll }),
    prec1,
    prec2,
    longerPages: { prec1: longerPrec1, prec2: longerPrec2 },
    ...(setting === "" ? {} : { setting }),
    details,
  };
}

/** Test figures of one snapshot; those of a game only where there was one. */
export type SnapshotResult =
  & EvaluationMetrics
  & StageMetrics
  & {
    readonly snapshot: SnapshotName;
    /** Iteration that the snapshot is from. */
    readonly iteration: number;
    /** Number of users that it was tested on. */
    readonly users?: number;
    /** How alike the reward and the truth rank a page's items, where the truth is known: {@link meanSpearman}. */
    readonly spearman?: number;
    /** All figures with their intervals. */
    readonly details: MetricDetails;
    /** How far it is above each baseline. */
    readonly against: Readonly<Partial<Record<BaselineName, MetricDifferences>>>;
    /** What other runs are compared with. */
    readonly paired?: StoredSums;
  };

/** How far one snapshot is above another. */
export interface SnapshotDifferences {
  readonly snapshot: SnapshotName;
  readonly minus: SnapshotName;
  readonly differences: MetricDifferences;
}

/** @param users that it was tested on. */
export function buildSnapshotResult(
  snapshot: SnapshotName,
  iteration: number,
  { figures, tested, spearman }: TestedModel<StageMetrics>,
  users: TestedUsers,
): SnapshotResult {
  return {
    snapshot,
    iteration,
    users: users.users.length,
    ...figures,
    ...(spearman === undefined ? {} : { spearman }),
    details: tested.details,
    against: users.against(tested),
  };
}

/** Tests snapshots and baselines on the same users, with the same bootstrap resamples. */

import { type BaselineName, baselineNames, baselineTitles } from "../metrics/baselines/baseline_names.ts";
import { type BaselineResult, FittedBaselines } from "../metrics/baselines/baselines.ts";
import { listUsers, type Split, splits } from "../data/click_log.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { meanSpearman, type RankingMetrics } from "../data/ranking.ts";
import { ItemGainCollector, type ItemGains } from "../metrics/item_gains.ts";
import { TasteCollector, type UserTaste } from "../metrics/user_tastes.ts";
import { computeProbabilities, type EvaluatedPage } from "../metrics/metric_columns.ts";
import { MetricCollector, type MetricCollectorOptions } from "../metrics/metric_collector.ts";
import { compareScorings } from "../metrics/test_result.ts";
import type { MetricDetails, MetricDifferences, StoredSums, TestResult } from "../metrics/test_result.ts";
import { scatterUtilities } from "../train/network_evaluation.ts";
import type { EvaluationMetrics, NetworkEvaluation } from "../train/network_evaluation.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { readPositionEffects } from "../model/position_effect.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import type { StageMetrics } from "./stages.ts";
import type { SnapshotName } from "./run_state.ts";

/** Test metrics of a baseline. A baseline that only ranks items has no loss. */
export interface BaselineMetricsResult extends RankingMetrics {
  readonly nll?: number;
  readonly longerPages: RankingMetrics;
  /** Setting with which the baseline was best on the validation users. */
  readonly setting?: string;
  readonly details: MetricDetails;
}

/** Test results of the baselines by name; null for a baseline that cannot be computed from the data. */
export type BaselineResults = Readonly<Record<BaselineName | "attainable", BaselineMetricsResult | null>>;

/** Baselines that every table of results lists, and the titles of their rows. */
export const shownBaselines: readonly (readonly [keyof BaselineResults, string])[] = [
  ...baselineNames.map((name) => [name, baselineTitles[name]] as const),
  ["attainable", "best attainable"],
];

type ProbabilityOptions = Pick<MetricCollectorOptions, "eta" | "single" | "positionEffects">;

/** Returns the options that turn the model's utilities into probabilities. */
export function getProbabilityOptions(
  { eta, loss }: Pick<ModelConfig, "eta" | "loss">,
  weights: Weights,
): ProbabilityOptions {
  return { eta, single: loss === "logistic", positionEffects: readPositionEffects(weights) };
}

interface TestedModel<F extends StageMetrics> {
  readonly metrics: EvaluationMetrics<F>;
  readonly tested: TestResult;
  /** Mean rank correlation (over pages) of utilities and ground truth; undefined without ground truth. */
  readonly spearman: number | undefined;
  readonly itemGains: ItemGains | undefined;
  readonly tastes: readonly UserTaste[] | undefined;
}

export type TestedData = Pick<Dataset, "source" | "features" | "pageOrder" | "truth">;

interface LogBaselines {
  readonly counted: FittedBaselines;
  readonly parts: Map<Split, TestedUsers>;
}
const knownOf = new WeakMap<LogSource, LogBaselines>();

export class TestedUsers {
  private constructor(
    private readonly data: TestedData,
    readonly users: Uint32Array,
    private readonly counted: FittedBaselines,
    private readonly baselines: ReadonlyMap<string, BaselineResult>,
  ) {}

  /** Returns a split's users and the baselines' test results. These are computed once per log and split. */
  static ofPart(data: TestedData, part: Split, onProgress?: OnProgress): TestedUsers {
    const { parts } = known(data, onProgress);
    const tested = parts.get(part) ?? TestedUsers.of(data, listUsers(data.source, part), onProgress);
    parts.set(part, tested);
    return tested;
  }

  /**
   * Tests baselines on users. Baselines are fitted once per log. If `users` include train users, only the
   * random baseline is tested. The other baselines were fitted to train users and would look too good.
   * @param users - ascending user numbers
   */
  static of(data: TestedData, users: Uint32Array, onProgress?: OnProgress): TestedUsers {
    const { counted } = known(data, onProgress);
    const baselines = new Map<string, BaselineResult>(counted.test(users, onProgress));
    const { truth, source: { log, userSplit } } = data;
    if (users.some((user) => splits[userSplit[user]!] === "train")) {
      for (const name of baselineNames.filter((name) => name !== "random")) baselines.delete(name);
    }
    if (truth && log) {
      const collector = new MetricCollector(counted.collectorOptions(users, 1));
      collector.add({ log, places: users, scores: truth });
      baselines.set("attainable", { ...collector.tested(), setting: "" });
    }
    return new TestedUsers(data, users, counted, baselines);
  }

  /** Tests the current weights; {@link getProbabilityOptions} returns the options. */
  async test<F extends StageMetrics>(
    evaluation: NetworkEvaluation<F>,
    { eta, ...choice }: ProbabilityOptions,
    onShard?: (done: number, all: number) => void,
  ): Promise<TestedModel<F>> {
    const { source, truth } = this.data;
    const tastes = this.counted.categories && new TasteCollector(this.counted.categories);
    const gains = new ItemGainCollector();
    let own: Uint32Array = new Uint32Array();
    let rates: Float64Array | undefined;
    const onPage = (page: EvaluatedPage, k: number, row: number) => {
      tastes?.add(own[k] ?? NaN, page);
      const logits = rates?.slice(row, row + page.items.length);
      if (logits) gains.add(page, computeProbabilities(logits, { eta: 1 }).chances);
    };
    const options = { ...this.counted.collectorOptions(this.users, eta), ...choice, onPage };
    const collector = new MetricCollector(options);
    let utilities: Float32Array | undefined;
    if (truth && source.log) utilities = new Float32Array(truth.length).fill(NaN);
    const metrics = await evaluation.evaluate(onShard, (part) => {
      const { log, indices, utilities: scores, outcomes: values, words } = part;
      own = part.users;
      // With the logistic loss, probabilities are of any click on an item, not of the page's first click.
      rates = choice.single ? undefined : this.counted.utilities("clickRate", log, indices);
      collector.add({ log, places: indices, scores, compact: true, outcomes: { values, words } });
      if (utilities) scatterUtilities(source, part, utilities);
    });
    const spearman = utilities && truth && source.log &&
      meanSpearman(source.log, this.users, utilities, truth);
    const tested = collector.tested();
    return {
      metrics: collector.hasSeveral ? ofAllClicks(metrics, tested) : metrics,
      ...{ tested, spearman },
      itemGains: rates && gains.largest(),
      tastes: tastes?.tastes(),
    };
  }

  /** Returns the differences between a tested model's metrics and the metrics of each baseline. */
  against(tested: TestResult): Partial<Record<BaselineName, MetricDifferences>> {
    return Object.fromEntries(baselineNames.flatMap((name) => {
      const baseline = this.baselines.get(name);
      return baseline ? [[name, compareScorings(tested, baseline)]] : [];
    }));
  }

  results(): BaselineResults {
    return Object.fromEntries(shownBaselines.map(([name]) => {
      const found = this.baselines.get(name);
      return [name, found ? buildBaselineResult(found) : null];
    })) as BaselineResults;
  }
}

function known({ source, features, pageOrder }: TestedData, onProgress?: OnProgress): LogBaselines {
  const found = knownOf.get(source) ??
    { counted: FittedBaselines.of(source, features?.tokens, onProgress, pageOrder), parts: new Map() };
  knownOf.set(source, found);
  return found;
}

/** Converts metrics: the result counts all clicks of a page, not only the page's first click. */
function ofAllClicks<F extends StageMetrics>(
  { longerPages, ...metrics }: EvaluationMetrics<F>,
  { details }: TestResult,
): EvaluationMetrics<F> {
  const { nll, prec1, prec2, longerPrec1, longerPrec2 } = details.metrics;
  const longer = { prec1: longerPrec1, prec2: longerPrec2 };
  return { ...metrics, nll, prec1, prec2, longerPages: { ...longerPages, ...longer } } as EvaluationMetrics<
    F
  >;
}

function buildBaselineResult({ details, setting }: BaselineResult): BaselineMetricsResult {
  const { nll, prec1 = NaN, prec2 = NaN, longerPrec1 = NaN, longerPrec2 = NaN } = details.metrics;
  return {
    ...(nll === undefined ? {} : { nll }),
    prec1,
    prec2,
    longerPages: { prec1: longerPrec1, prec2: longerPrec2 },
    ...(setting === "" ? {} : { setting }),
    details,
  };
}

/** Test metrics of a snapshot; after the adversarial stage, also metrics of the adversarial game. */
export type SnapshotResult =
  & EvaluationMetrics
  & StageMetrics
  & {
    readonly snapshot: SnapshotName;
    readonly iteration: number;
    readonly users?: number;
    /** Mean rank correlation between utilities and ground truth, if known; see {@link meanSpearman}. */
    readonly spearman?: number;
    /** Learned effects of the positions on a page, first position first; absent if the model has none. */
    readonly positionEffects?: readonly number[];
    readonly details: MetricDetails;
    /** Items whose clicks the model predicts much better or worse than the baseline "click rate" does. */
    readonly itemGains?: ItemGains;
    /** Observed and predicted click shares of categories, for some users; absent without categories. */
    readonly tastes?: readonly UserTaste[];
    /** Differences between the snapshot's metrics and the metrics of each baseline. */
    readonly against: Readonly<Partial<Record<BaselineName, MetricDifferences>>>;
    /** Sums of metrics over groups of test users, with which a report compares runs. */
    readonly paired?: StoredSums;
  };

/** Metrics of `snapshot`, minus the metrics of the snapshot `minus`. */
export interface SnapshotDifferences {
  readonly snapshot: SnapshotName;
  readonly minus: SnapshotName;
  readonly differences: MetricDifferences;
}

export function buildSnapshotResult(
  snapshot: SnapshotName,
  iteration: number,
  { metrics, tested, spearman, itemGains, tastes }: TestedModel<StageMetrics>,
  users: TestedUsers,
): SnapshotResult {
  return {
    snapshot,
    iteration,
    users: users.users.length,
    ...metrics,
    ...(spearman === undefined ? {} : { spearman }),
    details: tested.details,
    ...(itemGains && { itemGains }),
    ...(tastes && { tastes }),
    against: users.against(tested),
  };
}

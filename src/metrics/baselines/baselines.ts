/** Fits baselines: counts clicks of train users, and fits settings and scales on validation users. */

import { type ClickLog, type Clicks, listUsers } from "../../data/click_log.ts";
import type { PageOrder } from "../../data/manifest.ts";
import { countRows, countScored, toLogSource, walk } from "../../data/log_source.ts";
import type { LogSource, OnProgress } from "../../data/log_source.ts";
import { MetricCollector, type MetricCollectorOptions } from "../metric_collector.ts";
import type { ItemCategories } from "../item_categories.ts";
import { type BaselineName, baselineNames, baselineTitles } from "./baseline_names.ts";
import { findItemCategories, type NamedField } from "./find_categories.ts";
import type { TestResult } from "../test_result.ts";
import {
  chooseLatestLimit,
  countPairs,
  countTrain,
  smoothedClickRate,
  startUserProgress,
} from "../../counts/train_counts.ts";
import type { ClickPairs, TokenField, TrainCounts } from "../../counts/train_counts.ts";
import type { BaselineFormula, BaselineScorer } from "./scorers.ts";
import {
  chance,
  createCategoryRateScorer,
  createClickRateScorer,
  createItemKnnScorer,
  createLastClickScorer,
  createLogitScorer,
} from "./scorers.ts";
import { computePrecision } from "../../data/ranking.ts";
import type { ScoredRows, UtilityScale } from "./utility_scale.ts";
import { fitUtilityScale, listPages, toUtility } from "./utility_scale.ts";

/** Data from which baselines are fitted: a log, and counts of its train users' clicks and impressions. */
interface ScorerInputs {
  readonly source: LogSource;
  readonly fields: readonly TokenField[];
  /** True if the items of a page are in the order in which they were shown. */
  readonly placed: boolean;
  readonly counts: TrainCounts;
  readonly pairs: ClickPairs;
  readonly onProgress: OnProgress | undefined;
}

/** Functions that fit the baselines. Such a function returns undefined if the log lacks necessary data. */
const SCORERS: Readonly<Record<BaselineName, (known: ScorerInputs) => BaselineScorer | undefined>> = {
  random: () => chance,
  clickRate: ({ counts }) => createClickRateScorer(counts),
  lastClick: ({ counts }) => createLastClickScorer(counts),
  categoryRate: ({ source, counts, fields }) => createCategoryRateScorer(source.items, counts, fields),
  itemKnn: ({ pairs, counts }) => createItemKnnScorer(pairs, counts),
  logit: ({ source, fields, placed, onProgress, ...counted }) =>
    createLogitScorer(source, fields, placed, counted, onProgress),
};

/** Test metrics of a baseline, with the setting that was best on the validation users. */
export interface BaselineResult extends TestResult {
  /** Description of the setting; empty if the baseline has no settings. */
  readonly setting: string;
}

interface ChosenScorer extends Choice {
  readonly scorer: BaselineScorer;
}

/** Baselines that use counts of a log's train users. Their settings are chosen on the validation users. */
export class FittedBaselines {
  private constructor(
    private readonly source: LogSource,
    private readonly counts: TrainCounts,
    private readonly scorers: ReadonlyMap<BaselineName, ChosenScorer>,
    /** Categories of the items; undefined for items without categories. */
    readonly categories: ItemCategories | undefined,
  ) {}

  /**
   * Builds baselines from train users' clicks and impressions. Without train users, only "random" is
   * built. For items without categories, the category-rate baseline is not built. @param fields - item fields
   * whose values are tokens; see {@link createCategoryRateScorer}. @param pageOrder - "shown" if positions on
   * a page are known
   */
  static of(
    log: ClickLog | LogSource,
    fields: readonly NamedField[] = [],
    onProgress?: OnProgress,
    pageOrder?: PageOrder,
  ): FittedBaselines {
    const source = toLogSource(log);
    const counts = countTrain(source, onProgress);
    // The random baseline has no settings: all items are equally likely.
    const random = { scorer: chance, setting: 0, logOdds: { offset: 0, slope: 0 } };
    const scorers = new Map<BaselineName, ChosenScorer>([["random", random]]);
    if (counts.users > 0) {
      const pairs = countPairs(source, chooseLatestLimit(source), onProgress);
      const known = { source, fields, placed: pageOrder === "shown", counts, pairs, onProgress };
      for (const name of baselineNames.slice(1)) {
        const scorer = SCORERS[name](known);
        if (!scorer) continue;
        scorers.set(name, {
          scorer,
          ...choose(source, scorer, startUserProgress(`Settings of ${baselineTitles[name]}`, onProgress)),
        });
      }
    }
    return new FittedBaselines(source, counts, scorers, findItemCategories(source.items, counts, fields));
  }

  /** Returns the options of a {@link MetricCollector} for some users. @param eta - inverse temperature */
  collectorOptions(users: ArrayLike<number>, eta?: number): MetricCollectorOptions {
    const { counts, source, categories } = this;
    const counted = Array.from(users).filter((user) => countScored(source, user) > 0).length;
    const { sampledPages, clicks, shown } = counts;
    const isSeen = counts.users > 0
      ? (item: number) => (sampledPages ? clicks : shown)[item]! > 0
      : undefined;
    return { users: counted, eta, isSeen, categories };
  }

  /** Returns the map from a baseline's scores to utilities; undefined without validation users. */
  scale(name: BaselineName): UtilityScale | undefined {
    return this.scorers.get(name)?.logOdds;
  }

  /** Returns a baseline's scoring formula; undefined for the logit, or if there are no validation users. */
  formula(name: BaselineName): FittedFormula | undefined {
    const { scorer, setting = 0, logOdds: scale } = this.scorers.get(name) ?? {};
    const formula = scorer?.formula?.(setting);
    const { counts } = this;
    const rates = Float64Array.from(counts.clicks, (_, item) => smoothedClickRate(counts, item));
    return formula && scale && { formula, rates, scale };
  }

  /** Returns a baseline's utilities of all items on the users' pages; undefined without validation users. */
  utilities(name: BaselineName, log: Clicks, users: ArrayLike<number>): Float64Array | undefined {
    const { scorer, setting, logOdds } = this.scorers.get(name) ?? {};
    if (!scorer || !logOdds) return undefined;
    return scorer.score(log, users, [setting ?? 0])[0]?.map((score) => toUtility(logOdds, score));
  }

  test(users: ArrayLike<number>, onProgress?: OnProgress): Map<BaselineName, BaselineResult> {
    const collectors = [...this.scorers].map(([name, own]) => {
      const collector = new MetricCollector(this.collectorOptions(users, own.logOdds && 1));
      return { name, ...own, collector };
    });
    const parts = walk(this.source, Array.from(users), startUserProgress("Baselines", onProgress));
    for (const { log, users: places } of parts) {
      for (const { scorer, setting, logOdds, collector } of collectors) {
        const [ranking = new Float64Array()] = scorer.score(log, places, [setting]);
        const scores = logOdds ? ranking.map((score) => toUtility(logOdds, score)) : ranking;
        collector.add({ log, places, scores, ranking, compact: true });
      }
    }
    const hasValidation = listUsers(this.source, "validation").length > 0;
    return new Map(collectors.map(({ name, scorer, setting, collector }) => {
      const text = scorer.settings[setting] ?? "";
      const note = text === "" || hasValidation ? "" : " (not chosen: there are no validation users)";
      return [name, { ...collector.tested(), setting: text + note }];
    }));
  }
}

/** Maximum number of validation impressions that are used to choose a scorer's setting. */
const MOST_ROWS = 2 ** 17;

interface Choice {
  /** Index of the chosen setting in the scorer's `settings`. */
  readonly setting: number;
  /** Map from scores to utilities; undefined if there are no validation users. */
  readonly logOdds: UtilityScale | undefined;
}

/** Returns the setting with the best prec@1 on the validation users. @param onPart - progress callback */
function choose(
  source: LogSource,
  scorer: BaselineScorer,
  onPart: ((done: number, all: number) => void) | undefined,
): Choice {
  const settings = [...scorer.settings.keys()];
  const hits = new Float64Array(settings.length);
  const users = firstUsers(source, listUsers(source, "validation"));
  for (const { log, users: places } of walk(source, users, onPart)) {
    scorer.score(log, places, settings).forEach((scores, s) => {
      for (const { start, end, clicked } of listPages(log, places)) {
        if (clicked.length > 0) hits[s] = hits[s]! + computePrecision(scores, start, end, clicked, 1);
      }
    });
  }
  const setting = settings.reduce((best, s) => hits[s]! > hits[best]! ? s : best, 0);
  return { setting, logOdds: fit(source, users, scorer, setting) };
}

function fit(
  source: LogSource,
  users: Uint32Array,
  scorer: BaselineScorer,
  setting: number,
): UtilityScale | undefined {
  const parts: ScoredRows[] = [];
  for (const { log, users: places } of walk(source, users)) {
    const [scores = new Float64Array()] = scorer.score(log, places, [setting]);
    parts.push({ log, users: places, logScores: scores.map(Math.log) });
  }
  return fitUtilityScale(parts);
}

/** Returns the longest prefix of `users` with at most {@link MOST_ROWS} impressions in total. */
function firstUsers(source: LogSource, users: Uint32Array): Uint32Array {
  let rows = 0;
  return users.filter((user) => (rows += countRows(source, user)) <= MOST_ROWS);
}

export interface FittedFormula {
  readonly formula: BaselineFormula;
  /** [I] smoothed click rate of each item. */
  readonly rates: Float64Array;
  readonly scale: UtilityScale;
}

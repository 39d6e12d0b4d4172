/** What a model has to beat: figures that need no learning, or only counting. */

import { type ClickLog, usersOf } from "../../data/click_log.ts";
import type { Places } from "../../data/manifest.ts";
import { countedOf, type LogSource, type OnProgress, sourceOf, walk } from "../../data/log_source.ts";
import { Collector, type CollectorOptions } from "../collector.ts";
import type { Tested } from "../tested.ts";
import {
  type ClickPairs,
  countPairs,
  countTrain,
  latestFor,
  type TokenField,
  told,
  type TrainCounts,
} from "../../counts/train_counts.ts";
import { type Choice, choose, utilityOf } from "./choice.ts";
import { categoryRate, chance, clickRate, itemKnn, lastClick, logit, type Scorer } from "./scorers.ts";

/** What scorers are made of: a log, and what is counted of its train users. */
interface Known {
  readonly source: LogSource;
  /** Which tokens are of one kind. */
  readonly fields: readonly TokenField[];
  /** Whether the items of a page stand as they were shown. */
  readonly placed: boolean;
  readonly counts: TrainCounts;
  readonly pairs: ClickPairs;
  readonly onProgress: OnProgress | undefined;
}

/** What it is called where people read it, and what it scores by: undefined where the data do not give it. */
interface Baseline {
  readonly title: string;
  scorer(known: Known): Scorer | undefined;
}

/** All of them, in the order in which they are shown; by the names that they have in result.json. */
const BASELINES = {
  random: { title: "random", scorer: () => chance },
  clickRate: { title: "click rate", scorer: ({ counts }) => clickRate(counts) },
  lastClick: { title: "last click", scorer: ({ counts }) => lastClick(counts) },
  categoryRate: {
    title: "category rate",
    scorer: ({ source, counts, fields }) => categoryRate(source.items, counts, fields),
  },
  itemKnn: { title: "item-kNN", scorer: ({ pairs, counts }) => itemKnn(pairs, counts) },
  logit: {
    title: "logit on counts",
    scorer: ({ source, fields, placed, onProgress, ...counted }) =>
      logit(source, fields, placed, counted, onProgress),
  },
} as const satisfies Readonly<Record<string, Baseline>>;

/** One of them. */
export type BaselineName = keyof typeof BASELINES;
/** In the order in which they are shown. */
export const baselineNames = Object.keys(BASELINES) as readonly BaselineName[];
/** What they are called where people read it. */
export const baselineTitles = Object.fromEntries(
  baselineNames.map((name) => [name, BASELINES[name].title]),
) as Readonly<Record<BaselineName, string>>;

/** A baseline's figures, with the setting that is best on the validation users. */
export interface TestedBaseline extends Tested {
  /** In words; empty where there is nothing to choose. */
  readonly setting: string;
}

/** A scorer with what was chosen for it. */
interface ChosenScorer extends Choice {
  readonly scorer: Scorer;
}

/** Baselines that are counted on the train users of a log, and whose settings are chosen on its validation users. */
export class Baselines {
  private constructor(
    private readonly source: LogSource,
    private readonly counts: TrainCounts,
    private readonly scorers: ReadonlyMap<BaselineName, ChosenScorer>,
  ) {}

  /**
   * Counts. Without train users there is chance alone; without categories there is no rate of them.
   * @param fields which tokens are of one kind; see {@link categoryRate}. @param places whether those of a page mean something
   */
  static of(
    log: ClickLog | LogSource,
    fields: readonly TokenField[] = [],
    onProgress?: OnProgress,
    places?: Places,
  ): Baselines {
    const source = sourceOf(log);
    const counts = countTrain(source, onProgress);
    const scorers = new Map<BaselineName, ChosenScorer>();
    // Chance has nothing to choose: all is equally likely.
    scorers.set("random", { scorer: chance, setting: 0, logOdds: { offset: 0, slope: 0 } });
    if (counts.users > 0) {
      const pairs = countPairs(source, latestFor(source), onProgress);
      const known = { source, fields, placed: places === "shown", counts, pairs, onProgress };
      for (const name of baselineNames.slice(1)) {
        const { title, scorer: scorerOf }: Baseline = BASELINES[name];
        const scorer = scorerOf(known);
        if (!scorer) continue;
        scorers.set(name, { scorer, ...choose(source, scorer, told(`Settings of ${title}`, onProgress)) });
      }
    }
    return new Baselines(source, counts, scorers);
  }

  /** What a collector needs to know to take figures of these users. @param eta of a choice model. */
  collectorOptions(users: ArrayLike<number>, eta?: number): CollectorOptions {
    const { counts, source } = this;
    const counted = Array.from(users).filter((user) => countedOf(source, user) > 0).length;
    const isSeen = counts.users > 0 ? (item: number) => counts.shown[item]! > 0 : undefined;
    return { users: counted, eta, isSeen };
  }

  /** Their figures on users. */
  test(users: ArrayLike<number>, onProgress?: OnProgress): Map<BaselineName, TestedBaseline> {
    const collectors = [...this.scorers].map(([name, own]) => {
      const collector = new Collector(this.collectorOptions(users, own.logOdds && 1));
      return { name, ...own, collector };
    });
    const parts = walk(this.source, Array.from(users), told("Baselines", onProgress));
    for (const { log, users: places } of parts) {
      for (const { scorer, setting, logOdds, collector } of collectors) {
        const [ranking = new Float64Array()] = scorer.score(log, places, [setting]);
        const scores = logOdds ? ranking.map((score) => utilityOf(logOdds, score)) : ranking;
        collector.add({ log, places, scores, ranking, compact: true });
      }
    }
    const hasValidation = usersOf(this.source, "validation").length > 0;
    return new Map(collectors.map(({ name, scorer, setting, collector }) => {
      const text = scorer.settings[setting] ?? "";
      const note = text === "" || hasValidation ? "" : " (not chosen: there are no validation users)";
      return [name, { ...collector.tested(), setting: text + note }];
    }));
  }
}

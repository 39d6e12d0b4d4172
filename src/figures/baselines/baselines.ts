/** What a model has to beat: figures that need no learning, or only counting. */

import { type ClickLog, usersOf } from "../../data/click_log.ts";
import type { Places } from "../../data/manifest.ts";
import { countedOf, type LogSource, type OnProgress, sourceOf, walk } from "../../data/log_source.ts";
import { Collector, type CollectorOptions } from "../collector.ts";
import type { Tested } from "../tested.ts";
import { categoryRate } from "./category_rate.ts";
import type { TokenField } from "../../counts/token_fields.ts";
import { type Choice, choose } from "./choice.ts";
import { itemKnn } from "./item_knn.ts";
import { lastClick } from "./last_click.ts";
import { logit } from "./logit.ts";
import { utilityOf } from "./log_odds.ts";
import type { Scorer } from "./scorer.ts";
import { chance, clickRate } from "./simple.ts";
import { countPairs, latestFor } from "../../counts/pairs.ts";
import { countTrain, told, type TrainCounts } from "../../counts/train_counts.ts";

/** In the order in which they are shown; by the names that they have in result.json. */
export const baselineNames = [
  "random",
  "clickRate",
  "lastClick",
  "categoryRate",
  "itemKnn",
  "logit",
] as const;
/** One of them. */
export type BaselineName = typeof baselineNames[number];

/** What they are called where people read it. */
export const baselineTitles: Readonly<Record<BaselineName, string>> = {
  random: "random",
  clickRate: "click rate",
  lastClick: "last click",
  categoryRate: "category rate",
  itemKnn: "item-kNN",
  logit: "logit on counts",
};

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
    const take = (name: BaselineName, scorer: Scorer | undefined) => {
      if (!scorer) return;
      const title = baselineTitles[name];
      scorers.set(name, { scorer, ...choose(source, scorer, told(`Settings of ${title}`, onProgress)) });
    };
    scorers.set("random", { scorer: chance, setting: 0, logOdds: { offset: 0, slope: 0 } });
    if (counts.users > 0) {
      take("clickRate", clickRate(counts));
      take("lastClick", lastClick(counts));
      take("categoryRate", categoryRate(source.items, counts, fields));
      const pairs = countPairs(source, latestFor(source), onProgress);
      take("itemKnn", itemKnn(pairs, counts));
      take("logit", logit(source, fields, places === "shown", { counts, pairs }, onProgress));
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

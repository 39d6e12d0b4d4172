/** What a model has to beat: figures that need no learning, or only counting. */

import { type ClickLog, type Clicks, NONE, usersOf } from "../data/click_log.ts";
import { countedOf, type LogSource, type OnProgress, rowsOf, sourceOf, walk } from "../data/log_source.ts";
import { precisionAt } from "../data/ranking.ts";
import { Collector, type CollectorOptions } from "../figures/collector.ts";
import type { Tested } from "../figures/tested.ts";
import { categoryRate, type TokenField } from "./category_rate.ts";
import { itemKnn } from "./item_knn.ts";
import { lastClick } from "./last_click.ts";
import type { Scorer } from "./scorer.ts";
import { chance, clickRate } from "./simple.ts";
import { countTrain, told, type TrainCounts } from "./train_counts.ts";

/** In the order in which they are shown; by the names that they have in result.json. */
export const baselineNames = ["random", "clickRate", "lastClick", "categoryRate", "itemKnn"] as const;
/** One of them. */
export type BaselineName = typeof baselineNames[number];

/** What they are called where people read it. */
export const baselineTitles: Readonly<Record<BaselineName, string>> = {
  random: "random",
  clickRate: "click rate",
  lastClick: "last click",
  categoryRate: "category rate",
  itemKnn: "item-kNN",
};

/** Displayed items of validation users that settings are compared on, at most. */
const CHOICE_ROWS = 2 ** 17;

/** A baseline's figures, with the setting that is best on the validation users. */
export interface TestedBaseline extends Tested {
  /** In words; empty where there is nothing to choose. */
  readonly setting: string;
}

/** Baselines that are counted on the train users of a log, and whose settings are chosen on its validation users. */
export class Baselines {
  private constructor(
    private readonly source: LogSource,
    private readonly counts: TrainCounts,
    private readonly scorers: ReadonlyMap<BaselineName, { scorer: Scorer; chosen: number }>,
  ) {}

  /**
   * Counts. Without train users there is chance alone; without categories there is no rate of them.
   * @param fields which tokens are of one kind; see {@link categoryRate}.
   */
  static of(
    log: ClickLog | LogSource,
    fields: readonly TokenField[] = [],
    onProgress?: OnProgress,
  ): Baselines {
    const source = sourceOf(log);
    const counts = countTrain(source, onProgress);
    const scorers = new Map<BaselineName, { scorer: Scorer; chosen: number }>();
    const take = (name: BaselineName, scorer: Scorer | undefined) => {
      if (scorer) {
        scorers.set(name, { scorer, chosen: bestOf(source, scorer, baselineTitles[name], onProgress) });
      }
    };
    take("random", chance);
    if (counts.users > 0) {
      take("clickRate", clickRate(counts));
      take("lastClick", lastClick(counts));
      take("categoryRate", categoryRate(source.items, counts, fields));
      take("itemKnn", itemKnn(source, counts, onProgress));
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
    const collectors = new Map([...this.scorers.keys()].map((name) => {
      const eta = name === "random" ? 1 : undefined;
      return [name, new Collector(this.collectorOptions(users, eta))];
    }));
    const parts = walk(this.source, Array.from(users), told("Baselines", onProgress));
    for (const { log, users: places } of parts) {
      for (const [name, collector] of collectors) {
        const { scorer, chosen } = this.scorers.get(name)!;
        const [scores = new Float64Array()] = scorer.score(log, places, [chosen]);
        collector.add({ log, places, scores, compact: true });
      }
    }
    const hasValidation = usersOf(this.source, "validation").length > 0;
    return new Map([...collectors].map(([name, collector]) => {
      const { scorer, chosen } = this.scorers.get(name)!;
      const setting = scorer.settings[chosen] ?? "";
      const note = setting === "" || hasValidation ? "" : " (not chosen: there are no validation users)";
      return [name, { ...collector.tested(), setting: setting + note }];
    }));
  }
}

/** The setting with the best prec@1 on validation users; the first of equals, and without any. */
function bestOf(
  source: LogSource,
  scorer: Scorer,
  title: string,
  onProgress: OnProgress | undefined,
): number {
  if (scorer.settings.length === 1) return 0;
  const settings = [...scorer.settings.keys()];
  const sums = new Float64Array(settings.length);
  const users = firstUsers(source, usersOf(source, "validation"));
  for (const { log, users: places } of walk(source, users, told(`Settings of ${title}`, onProgress))) {
    scorer.score(log, places, settings).forEach((scores, s) =>
      sums[s] = sums[s]! + hits(log, places, scores)
    );
  }
  return settings.reduce((best, s) => sums[s]! > sums[best]! ? s : best, 0);
}

/** Users up to so many rows. */
function firstUsers(source: LogSource, users: Uint32Array): Uint32Array {
  let rows = 0;
  return users.filter((user) => (rows += rowsOf(source, user)) <= CHOICE_ROWS);
}

/** The sum of prec@1. @param scores of the rows of these users, one after the other. */
function hits(log: Clicks, users: ArrayLike<number>, scores: Float64Array): number {
  let [sum, row] = [0, 0];
  for (const user of Array.from(users)) {
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [start, end, click] = [log.eventRows[e]!, log.eventRows[e + 1]!, log.eventClick[e]!];
      if (click !== NONE && !log.eventGiven?.[e]) {
        sum += precisionAt(scores, row, row + end - start, row + click - start, 1);
      }
      row += end - start;
    }
  }
  return sum;
}

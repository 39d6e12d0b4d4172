/**
 * What a model has to beat: figures that need no learning, or only counting. A baseline's setting, and the probabilities that
 * its scores stand for, are chosen on validation users.
 */

import { clickedRows, type ClickLog, type Clicks, usersOf } from "../../data/click_log.ts";
import type { Places } from "../../data/manifest.ts";
import { countedOf, type LogSource, type OnProgress, rowsOf, sourceOf, walk } from "../../data/log_source.ts";
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
import { categoryRate, chance, clickRate, itemKnn, lastClick, logit, type Scorer } from "./scorers.ts";
import { precisionAt, unclicked } from "../../data/ranking.ts";
import { fitLogit } from "../../counts/logit.ts";

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

/** Displayed items of validation users that settings are compared on, at most. */
const MOST_ROWS = 2 ** 17;

interface Choice {
  /** Place in the scorer's settings. */
  readonly setting: number;
  /** Undefined without validation users. */
  readonly logOdds: LogOdds | undefined;
}

/** The setting with the best prec@1, the first of equals. @param onPart told how many users are behind it. */
function choose(
  source: LogSource,
  scorer: Scorer,
  onPart: ((done: number, all: number) => void) | undefined,
): Choice {
  const settings = [...scorer.settings.keys()];
  const hits = new Float64Array(settings.length);
  const users = firstUsers(source, usersOf(source, "validation"));
  for (const { log, users: places } of walk(source, users, onPart)) {
    scorer.score(log, places, settings).forEach((scores, s) => {
      for (const { start, end, clicked } of pagesOf(log, places)) {
        if (clicked.length > 0) hits[s] = hits[s]! + precisionAt(scores, start, end, clicked, 1);
      }
    });
  }
  const setting = settings.reduce((best, s) => hits[s]! > hits[best]! ? s : best, 0);
  return { setting, logOdds: fit(source, users, scorer, setting) };
}

function fit(source: LogSource, users: Uint32Array, scorer: Scorer, setting: number): LogOdds | undefined {
  const logScores: Float64Array[] = [];
  const start = [0];
  const chosen: number[] = [];
  const hasNone: boolean[] = [];
  for (const { log, users: places } of walk(source, users)) {
    const [scores = new Float64Array()] = scorer.score(log, places, [setting]);
    for (const page of pagesOf(log, places)) {
      // Its first click, or none, is a choice; each further one another, among what is left.
      for (let j = 0; j < Math.max(1, page.clicked.length); j++) {
        const left = unclicked(page.start, page.end, page.clicked.slice(0, j));
        const first = start.at(-1)!;
        logScores.push(Float64Array.from(left, (row) => Math.log(scores[row]!)));
        start.push(first + left.length);
        chosen.push(page.clicked.length === 0 ? -1 : first + left.indexOf(page.clicked[j]!));
        hasNone.push(j === 0);
      }
    }
  }
  const all = new Float64Array(start.at(-1)!);
  logScores.forEach((own, choice) => all.set(own, start[choice]));
  return fitLogOdds({ logScores: all, start, chosen, hasNone });
}

/** Users up to so many rows. */
function firstUsers(source: LogSource, users: Uint32Array): Uint32Array {
  let rows = 0;
  return users.filter((user) => (rows += rowsOf(source, user)) <= MOST_ROWS);
}

/** The pages to predict, and what was clicked on them, by places among the rows of these users. */
function* pagesOf(
  log: Clicks,
  users: ArrayLike<number>,
): Generator<{ start: number; end: number; clicked: number[] }> {
  let row = 0;
  for (const user of Array.from(users)) {
    for (let e = log.userEvents[user]!; e < log.userEvents[user + 1]!; e++) {
      const [first, end] = [log.eventRows[e]!, log.eventRows[e + 1]!];
      if (!log.eventGiven?.[e]) {
        const clicked = clickedRows(log, e).map((click) => row + click - first);
        yield { start: row, end: row + end - first, clicked };
      }
      row += end - first;
    }
  }
}

export interface LogOdds {
  readonly offset: number;
  /** 0 or above: the order of the scores stays. */
  readonly slope: number;
}

/** Choices with the logarithms of what they are among, one after the other: a page's first click, or none, and each further one. */
export interface ScoredChoices {
  /** [rows] */
  readonly logScores: Float64Array;
  /** [choices + 1] first row of each. */
  readonly start: readonly number[];
  /** [choices] the clicked row, -1 for none. */
  readonly chosen: readonly number[];
  /** [choices] whether no click is among them. */
  readonly hasNone: readonly boolean[];
}

/** Keeps both finite where nobody clicks, or everybody clicks on what is scored best. */
const RIDGE = 1e-3;

/** A logit of a constant and the logarithm of the score. @returns undefined without a page. */
export function fitLogOdds({ logScores, start, chosen, hasNone }: ScoredChoices): LogOdds | undefined {
  if (chosen.length === 0) return undefined;
  const x = new Float64Array(2 * logScores.length);
  logScores.forEach((score, row) => x.set([1, score], 2 * row));
  const [offset = 0, slope = 0] = fitLogit({ x, columns: 2, start, chosen, hasNone }, [RIDGE, RIDGE]);
  if (slope >= 0) return { offset, slope };
  // Scores that are the wrong way round say nothing: the share of pages without a click is left.
  return fitLogOdds({ logScores: new Float64Array(logScores.length), start, chosen, hasNone });
}

/** The utility of a score. */
function utilityOf({ offset, slope }: LogOdds, score: number): number {
  return offset + slope * Math.log(score);
}

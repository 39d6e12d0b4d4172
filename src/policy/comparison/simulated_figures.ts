/** What came of simulated users under a policy, with how far it would differ on other users. */

import { Bootstrap, intervalOf, MOST_GROUPS } from "../../figures/bootstrap.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { coverage, type SimulationFigures } from "../../simulate/figures.ts";
import { type MeanFigure, RESAMPLES } from "./episodes.ts";

/** All users who saw the n-th page; NaN where nobody did. */
export interface CurvePage {
  readonly users: number;
  readonly clickRate: MeanFigure;
  readonly reward: MeanFigure;
}

export interface PolicyFigures {
  /** Rewards of a user, all pages together. */
  readonly return: MeanFigure;
  /** Clicks a page that was seen. */
  readonly clickRate: MeanFigure;
  /** Reward a page that was seen. */
  readonly rewardAPage: MeanFigure;
  /** Pages that a user saw until they left. */
  readonly pages: MeanFigure;
  /** From the first page. */
  readonly byPage: readonly CurvePage[];
  /** Share of the catalogue that was shown at least once to somebody. */
  readonly coverage: number;
  /** Share of the clicks whose reward was below 0; NaN without a click. */
  readonly negativeClicks: number;
}

/** Of longer episodes the pages have no intervals: the sums that they need grow with the pages. */
const MOST_PAGES = 200;

/** Columns of the sums: of a user's whole episode, and of each page. */
const WHOLE = { users: 0, return: 1, clicks: 2, seen: 3, size: 4 } as const;
const PAGE = { seen: 0, clicks: 1, reward: 2, size: 3 } as const;

/** Adds up episodes as they come, by groups of users: memory does not grow with the users. */
export class FigureGroups {
  readonly #groups: number;
  readonly #columns: number;
  /** [groups, columns] */
  readonly #sums: Float64Array;
  /** [pages, 3] of all groups. */
  readonly #byPage: Float64Array;
  #clicks = 0;
  #negative = 0;

  /** @param users all of them. */
  constructor(users: number, private readonly pages: number) {
    this.#groups = Math.min(users, MOST_GROUPS);
    this.#columns = WHOLE.size + (pages > MOST_PAGES ? 0 : PAGE.size * pages);
    this.#sums = new Float64Array(this.#groups * this.#columns);
    this.#byPage = new Float64Array(PAGE.size * pages);
  }

  add(log: EpisodeLog): void {
    const { users, pages, slate, choices, rewards, present } = log;
    for (let u = 0; u < users; u++) {
      const at = ((log.firstUser + u) % this.#groups) * this.#columns;
      const add = (column: number, value: number) => {
        if (column < this.#columns) this.#sums[at + column] = (this.#sums[at + column] ?? 0) + value;
        const page = column - WHOLE.size;
        if (page >= 0) this.#byPage[page] = (this.#byPage[page] ?? 0) + value;
      };
      add(WHOLE.users, 1);
      for (let t = 0; t < pages; t++) {
        const place = t * users + u;
        if (!present[place]) break; // who has left stays away
        const clicked = (choices[place] ?? slate) < slate ? 1 : 0;
        const reward = rewards[place] ?? NaN;
        this.#clicks += clicked;
        if (clicked && reward < 0) this.#negative++;
        const page = WHOLE.size + PAGE.size * t;
        add(page + PAGE.seen, 1);
        add(page + PAGE.clicks, clicked);
        add(page + PAGE.reward, reward);
        add(WHOLE.seen, 1);
        add(WHOLE.clicks, clicked);
        add(WHOLE.return, reward);
      }
    }
  }

  /** @param figures of the same episodes. */
  figures(figures: Pick<SimulationFigures, "itemShown">): PolicyFigures {
    const [columns, groups] = [this.#columns, this.#groups];
    const bootstrap = new Bootstrap(groups, RESAMPLES);
    const totals = bootstrap.totals(this.#sums, columns);
    const all = new Float64Array(columns);
    this.#sums.forEach((value, k) => all[k % columns] = (all[k % columns] ?? 0) + value);
    const ratio = (of: number, over: number): MeanFigure => {
      const one = (sums: Float64Array, row: number) =>
        (sums[row * columns + of] ?? NaN) / (sums[row * columns + over] ?? NaN);
      const resampled = Float64Array.from({ length: bootstrap.resamples }, (_, b) => one(totals, b));
      return { mean: one(all, 0), interval: intervalOf(resampled, groups) };
    };
    const ofPage = (t: number, column: number): MeanFigure => {
      const [at, seen] = [PAGE.size * t, PAGE.seen];
      if (this.pages <= MOST_PAGES) return ratio(WHOLE.size + at + column, WHOLE.size + at + seen);
      return { mean: (this.#byPage[at + column] ?? NaN) / (this.#byPage[at + seen] ?? NaN), interval: null };
    };
    return {
      return: ratio(WHOLE.return, WHOLE.users),
      clickRate: ratio(WHOLE.clicks, WHOLE.seen),
      rewardAPage: ratio(WHOLE.return, WHOLE.seen),
      pages: ratio(WHOLE.seen, WHOLE.users),
      byPage: Array.from({ length: this.pages }, (_, t) => ({
        users: this.#byPage[PAGE.size * t + PAGE.seen] ?? 0,
        clickRate: ofPage(t, PAGE.clicks),
        reward: ofPage(t, PAGE.reward),
      })),
      coverage: coverage(figures),
      negativeClicks: this.#negative / this.#clicks,
    };
  }
}

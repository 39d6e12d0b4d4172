/** Metrics of simulated episodes. */

import { UserError } from "../user_error.ts";
import type { EpisodeLog } from "./episode_log.ts";

/** Totals of one page, over the users who saw the page. */
export interface PageTotals {
  /** Number of users who saw the page. */
  readonly shown: number;
  /** Number of clicks on the page. */
  readonly clicks: number;
  /** Sum of the rewards on the page. */
  readonly reward: number;
  /** Sum of P(any click) over the users who saw the page, according to the environment. */
  readonly predicted: number;
}

/** Metrics of the episodes of all users. */
export interface SimulationMetrics {
  /** Number of simulated users. */
  readonly users: number;
  /** Number of episodes per user. */
  readonly episodes: number;
  /** T, the number of pages in an episode. */
  readonly pages: number;
  /** k, the number of items in a slate. */
  readonly slate: number;
  /** [episodes, users] return: the sum of rewards in the episode. */
  readonly returns: Float64Array<ArrayBuffer>;
  /** [episodes, users] number of clicks in the episode. */
  readonly clicks: Uint32Array<ArrayBuffer>;
  /** [episodes, users] number of pages that the user saw before leaving. */
  readonly seen: Uint32Array<ArrayBuffer>;
  /** [pages] totals of each page, over all users and episodes. */
  readonly byPage: readonly PageTotals[];
  /** [items] number of impressions of each item. */
  readonly itemShown: Uint32Array<ArrayBuffer>;
  /** [items] number of clicks on each item. */
  readonly itemClicked: Uint32Array<ArrayBuffer>;
}

/** Returns the catalogue coverage: the share of items that were shown at least once. */
export function computeCoverage({ itemShown }: Pick<SimulationMetrics, "itemShown">): number {
  return itemShown.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0) / itemShown.length;
}

/** Returns the mean return per episode. */
export function meanReturn({ returns }: Pick<SimulationMetrics, "returns">): number {
  return returns.reduce((sum, own) => sum + own, 0) / returns.length;
}

/** Returns the click rate: clicks per displayed page. */
export function computeClickRate({ byPage }: Pick<SimulationMetrics, "byPage">): number {
  const sum = (of: (page: PageTotals) => number) => byPage.reduce((total, page) => total + of(page), 0);
  return sum(({ clicks }) => clicks) / sum(({ shown }) => shown);
}

export class SimulationTotals {
  readonly metrics: SimulationMetrics;
  readonly #byPage: { shown: number; clicks: number; reward: number; predicted: number }[];

  constructor(
    { users, episodes, pages, slate, items }: Record<
      "users" | "episodes" | "pages" | "slate" | "items",
      number
    >,
    private readonly firstEpisode: number,
  ) {
    this.#byPage = Array.from({ length: pages }, () => ({ shown: 0, clicks: 0, reward: 0, predicted: 0 }));
    this.metrics = {
      users,
      episodes,
      pages,
      slate,
      returns: new Float64Array(users * episodes),
      clicks: new Uint32Array(users * episodes),
      seen: new Uint32Array(users * episodes),
      byPage: this.#byPage,
      itemShown: new Uint32Array(items),
      itemClicked: new Uint32Array(items),
    };
  }

  /** @throws UserError for a probability that is not finite. */
  add(log: EpisodeLog): void {
    const { users, pages, slate: k, present, choices, rewards, probabilities, slates } = log;
    const { returns, clicks, seen, itemShown, itemClicked } = this.metrics;
    const from = (log.episode - this.firstEpisode) * this.metrics.users + log.firstUser;
    for (let t = 0; t < pages; t++) {
      const page = this.#byPage[t]!;
      for (let u = 0; u < users; u++) {
        const [at, own] = [t * users + u, from + u];
        if (!present[at]) continue;
        const [predicted, reward] = [probabilities[at] ?? NaN, rewards[at] ?? NaN];
        if (!Number.isFinite(predicted) || !Number.isFinite(reward)) {
          throw new UserError(
            `Expected finite utilities, got NaN or infinity: user ${log.firstUser + u}, page ${t}, episode ` +
              `${log.episode}. Train the model again; if it diverged, use a smaller --learning-rate.`,
          );
        }
        const choice = choices[at] ?? k;
        page.shown++;
        page.predicted += predicted;
        page.reward += reward;
        returns[own] = (returns[own] ?? 0) + reward;
        seen[own] = (seen[own] ?? 0) + 1;
        for (let j = 0; j < k; j++) {
          const item = slates[at * k + j] ?? 0;
          itemShown[item] = (itemShown[item] ?? 0) + 1;
          if (j !== choice) continue;
          page.clicks++;
          clicks[own] = (clicks[own] ?? 0) + 1;
          itemClicked[item] = (itemClicked[item] ?? 0) + 1;
        }
      }
    }
  }
}

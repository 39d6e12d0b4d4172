/** What a model promises of a policy's pages, what users made of them, and how far the model is off on the very pages they saw. */

import { choiceProbabilities } from "../../model/choice.ts";
import type { UserModel } from "../../model/user_model.ts";
import { NONE } from "../../data/click_log.ts";
import type { LogSource } from "../../data/log_source.ts";
import { Evaluation } from "../../train/evaluation.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { type MeanFigure, ratioOf } from "./figures.ts";

/** Users who saw a policy's pages, and of whom nothing was learned before a model is asked about them. */
export interface Judges {
  readonly source: LogSource;
  readonly users: Uint32Array;
}

/** Users of a log on their first pages: a page is clicked or not. */
export interface SeenPages {
  /** [T] how many users saw each page. */
  readonly seen: Float64Array;
  /** [U] clicks that the model predicts of the pages that each user saw. */
  readonly predicted: Float64Array;
  /** [U] pages with a click. */
  readonly made: Float64Array;
}

/**
 * @param model over the log's items. @param pages those of a user that count, from the first on.
 * @throws UserError where these users have no page to predict.
 */
export async function seenPages(
  model: UserModel,
  { source, users }: Judges,
  pages: number,
  onShard?: (done: number, all: number) => void,
): Promise<SeenPages> {
  const seen = new Float64Array(pages);
  const [predicted, made] = [new Float64Array(users.length), new Float64Array(users.length)];
  using evaluation = await Evaluation.ofModel(model, undefined, source, users, 0);
  let own = 0;
  for await (const { log, places, utilities } of evaluation.scored(onShard)) {
    let row = 0;
    for (const place of places) {
      let page = 0;
      for (let e = log.userEvents[place] ?? 0; e < (log.userEvents[place + 1] ?? 0); e++) {
        const first = row;
        row += log.eventRows[e + 1]! - log.eventRows[e]!;
        if (log.eventGiven?.[e] || page >= pages) continue;
        const { noClick } = choiceProbabilities(model.config, utilities.subarray(first, row));
        predicted[own] = predicted[own]! + 1 - noClick;
        if (log.eventClick[e] !== NONE) made[own] = made[own]! + 1;
        seen[page] = seen[page]! + 1;
        page++;
      }
      own++;
    }
  }
  return { seen, predicted, made };
}

/**
 * What a model promises: clicks of its users under a policy, over as many pages as other users saw.
 * @param logs an episode of users who follow one another. @param seen [T] as of {@link SeenPages}; without it all pages of all users.
 * @returns [U] of which the promise is the mean.
 */
export function promisedClicks(logs: readonly EpisodeLog[], seen?: Float64Array): Float64Array {
  const pages = logs[0]?.pages ?? 0;
  const users = logs.reduce((sum, log) => sum + log.users, 0);
  const shown = new Float64Array(pages);
  for (const log of logs) {
    log.present.forEach((present, at) => shown[Math.floor(at / log.users)]! += present);
  }
  const most = seen ? Math.max(...seen) : users;
  const weights = shown.map((count, page) => count && (seen?.[page] ?? count) / most * users / count);
  const promised = new Float64Array(users);
  for (const { firstUser, users, present, probabilities } of logs) {
    present.forEach((isPresent, at) => {
      if (isPresent === 0) return;
      promised[firstUser + at % users]! += weights[Math.floor(at / users)]! * probabilities[at]!;
    });
  }
  return promised;
}

/** One mean less another of other users. The interval takes both for normal. */
export function unpaired(one: MeanFigure, other: MeanFigure): MeanFigure {
  const mean = one.mean - other.mean;
  if (!one.interval || !other.interval) return { mean, interval: null };
  const half = Math.hypot(one.interval[1] - one.interval[0], other.interval[1] - other.interval[0]) / 2;
  return { mean, interval: [mean - half, mean + half] };
}

/** One figure less another of the same users. @param one, other [U] */
export function paired(one: Float64Array, other: ArrayLike<number>): MeanFigure {
  return ratioOf(one.map((value, user) => value - other[user]!));
}

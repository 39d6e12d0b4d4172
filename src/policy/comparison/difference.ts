/** How far a policy is above another one in the same environment: over users, and over trainings. */

import { pairedDifference } from "../../data/paired.ts";
import type { Interval } from "../../figures/bootstrap.ts";
import { ratioOf } from "./figures.ts";

/** What an interval of a difference is over. */
export type Spread = "users" | "training seeds";

export interface PolicyDifference {
  /** Return of the policy less that of its rival, a user, mean over trainings. */
  readonly mean: number;
  /** The rival's return. */
  readonly rival: number;
  /** 95 % interval over resamples of users, who are the same for both; null for fewer than two. */
  readonly overUsers: Interval | null;
  /** 95 % interval of Student's t over trainings; null where there is one of each alone. */
  readonly overSeeds: Interval | null;
  /** The wider of the two, which is what is printed. */
  readonly interval: Interval | null;
  readonly wider: Spread | null;
  /** How many trainings the mean is over. */
  readonly trainings: number;
  /** Share of users whose return, as a mean over trainings, is lower than with the rival; and higher. */
  readonly lose: number;
  readonly gain: number;
  /** Differences of users, ascending, at evenly spaced places from the first to the last: at most {@link PLACES}. */
  readonly sorted: Float64Array;
}

/** Points of a curve of all users. */
export const PLACES = 201;

/**
 * @param policy, rival the returns [U] of the same users, for each training; one that is not trained has one. Trainings are
 *   paired in their order, as far as both have some; where one has a single one, that is taken for all.
 * @throws RangeError for other users, or none
 */
export function differenceOf(
  policy: readonly Float64Array[],
  rival: readonly Float64Array[],
): PolicyDifference {
  const users = policy[0]?.length ?? 0;
  if (users === 0 || [...policy, ...rival].some(({ length }) => length !== users) || rival.length === 0) {
    throw new RangeError("expected the returns of the same users for both policies");
  }
  const both = Math.min(policy.length, rival.length);
  const trainings = both === 1 ? Math.max(policy.length, rival.length) : both;
  const mine = meanOver(policy, trainings);
  const theirs = meanOver(rival, trainings);
  const byUser = mine.map((value, user) => value - theirs[user]!);
  const { mean, interval: overUsers } = ratioOf(byUser);
  const means = (of: readonly Float64Array[]) =>
    Array.from({ length: trainings }, (_, k) => average(of[of.length === 1 ? 0 : k]!));
  const paired = pairedDifference(means(policy), means(rival));
  const overSeeds: Interval | null = trainings > 1 ? [paired.low, paired.high] : null;
  const isSeeds = overSeeds !== null && (overUsers === null || width(overSeeds) > width(overUsers));
  return {
    mean,
    rival: average(theirs),
    overUsers,
    overSeeds,
    interval: isSeeds ? overSeeds : overUsers,
    wider: isSeeds ? "training seeds" : overUsers === null ? null : "users",
    trainings,
    lose: byUser.filter((value) => value < 0).length / users,
    gain: byUser.filter((value) => value > 0).length / users,
    sorted: placesOf(byUser.toSorted()),
  };
}

function width([low, high]: Interval): number {
  return high - low;
}

function meanOver(returns: readonly Float64Array[], trainings: number): Float64Array {
  const used = returns.length === 1 ? returns : returns.slice(0, trainings);
  return used[0]!.map((_, user) => used.reduce((sum, one) => sum + one[user]!, 0) / used.length);
}

function average(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** At most {@link PLACES} of them, the first and the last among these. */
function placesOf(ascending: Float64Array): Float64Array {
  const count = Math.min(PLACES, ascending.length);
  if (count === ascending.length) return ascending;
  return Float64Array.from(
    { length: count },
    (_, k) => ascending[Math.round(k * (ascending.length - 1) / (count - 1))]!,
  );
}

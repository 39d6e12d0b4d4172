/** Results of comparing policies, as plain data, and functions that compute differences between policies. */

import { computePairedDifference } from "../../data/paired_difference.ts";
import type { Interval } from "../../metrics/bootstrap.ts";
import { type EpisodeMetrics, estimateRatio } from "./episode_metrics.ts";
import type { PolicyTask } from "../learning/policy_training_config.ts";
import type { PageCalibration, QConsistency } from "./trust_metrics.ts";
import { meanAndSd } from "../../data/mean_sd.ts";

export interface PolicyDifference {
  /** Mean, over users and trainings, of the return under the policy minus the return under its rival. */
  readonly mean: number;
  readonly rival: number;
  /** 95 % interval of `mean` by a bootstrap over users; null for fewer than two users. */
  readonly overUsers: Interval | null;
  /** 95 % interval of `mean` by Student's t over trainings; null if each policy was trained only once. */
  readonly overSeeds: Interval | null;
  /** The wider of `overUsers` and `overSeeds`: the interval that reports show. */
  readonly interval: Interval | null;
  readonly wider: "users" | "training seeds" | null;
  readonly trainings: number;
  /** Share of users with a lower (`lose`) or higher (`gain`) return under the policy than under its rival. */
  readonly lose: number;
  readonly gain: number;
  /** Each user's difference in return, ascending; for more than {@link CURVE_POINTS} users, quantiles. */
  readonly sorted: Float64Array;
}

export const CURVE_POINTS = 201;

/**
 * Compares the returns of two policies. The trainings of the two policies are paired in order. If one policy
 * has a single training, it is paired with each training of the other policy.
 * @param policy, rival - one array [users] of returns per training. All arrays have the same users.
 */
export function comparePolicies(
  policy: readonly Float64Array[],
  rival: readonly Float64Array[],
): PolicyDifference {
  const both = Math.min(policy.length, rival.length);
  const trainings = both === 1 ? Math.max(policy.length, rival.length) : both;
  const mine = meanOver(policy, trainings);
  const theirs = meanOver(rival, trainings);
  const byUser = mine.map((value, user) => value - theirs[user]!);
  const { mean, interval: overUsers } = estimateRatio(byUser);
  const means = (of: readonly Float64Array[]) =>
    Array.from({ length: trainings }, (_, k) => average(of[of.length === 1 ? 0 : k]!));
  const paired = computePairedDifference(means(policy), means(rival));
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
    lose: byUser.filter((value) => value < 0).length / byUser.length,
    gain: byUser.filter((value) => value > 0).length / byUser.length,
    sorted: selectQuantiles(byUser.toSorted()),
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

/** Selects at most {@link CURVE_POINTS} evenly spaced values, including the first and the last value. */
function selectQuantiles(ascending: Float64Array): Float64Array {
  const count = Math.min(CURVE_POINTS, ascending.length);
  if (count === ascending.length) return ascending;
  return Float64Array.from(
    { length: count },
    (_, k) => ascending[Math.round(k * (ascending.length - 1) / (count - 1))]!,
  );
}

const WORDS: { readonly [Name in keyof PolicyTask]: (value: PolicyTask[Name]) => string } = {
  slate: (slate) => `slates of ${slate}`,
  pages: (pages) => `${pages} pages`,
  reward: (reward) => reward === "click" ? "clicks as the reward" : "the utility as the reward",
  start: (start) =>
    start === "empty" ? "users without start clicks" : `users with start clicks of ${start} users`,
  repeats: (repeats) => repeats ? "clicked items shown again" : "clicked items not shown again",
  leave: (leave) => leave > 0 ? `leaving with probability ${leave}` : "no random leaving",
  patience: (patience) => patience > 0 ? `a patience of ${patience}` : "no limit of patience",
};

const taskSettings = Object.keys(WORDS) as (keyof PolicyTask)[];

/** Names tasks by slate size and all settings that differ: "slates of 3, 20 pages"; a single task is "". */
export function nameTasks(tasks: readonly PolicyTask[]): string[] {
  if (tasks.length < 2) return tasks.map(() => "");
  const told = taskSettings.filter((name) =>
    name === "slate" || new Set(tasks.map((task) => task[name])).size > 1
  );
  const word = <Name extends keyof PolicyTask>(name: Name, task: PolicyTask) => WORDS[name](task[name]);
  return tasks.map((task) => told.map((name) => word(name, task)).join(", "));
}

export interface ComparisonEnvironment {
  readonly name: string;
  /** Kind of environment: the model that policies were trained on, another model, or a ground truth. */
  readonly role: "trained on" | "second model" | "truth";
  /** Return of the near-optimal policy; undefined if it cannot be computed. */
  readonly optimum?: number;
}

export interface PageSupport {
  /** Share of unusual user states: those outside an ellipsoid that contains 99 % of the logged states. */
  readonly statesBeyond: number;
  /** Share of the shown items (counted once per display) with fewer than 20 impressions in the log. */
  readonly rareSlots: number;
}

export interface ComparisonCell {
  readonly policy: string;
  readonly seed: number | null;
  readonly environment: string;
  readonly metrics: EpisodeMetrics;
  /** Clicks on the policy's pages: realised, and predicted by the model that the policy was trained on. */
  readonly calibration?: PageCalibration;
  readonly support?: PageSupport;
  /** Each position's Q-value compared with the last position's; undefined without Q-values per position. */
  readonly consistency?: readonly QConsistency[];
}

/** Results of policies that ran with the same settings (a {@link PolicyTask}). */
export interface PolicyComparison extends Readonly<PolicyTask> {
  readonly users: number;
  readonly seed: number;
  /** The policies were trained in the first environment. */
  readonly environments: readonly ComparisonEnvironment[];
  /** Metrics of each policy, training seed and environment. */
  readonly cells: readonly ComparisonCell[];
}

/** Returns the names of the compared policies; trained policies come first. */
export function listComparedPolicies(
  { cells }: Pick<PolicyComparison, "cells">,
): { name: string; learned: boolean }[] {
  return [true, false].flatMap((learned) => {
    const names = cells.filter(({ seed }) => (seed !== null) === learned).map(({ policy }) => policy);
    return [...new Set(names)].map((name) => ({ name, learned }));
  });
}

/** Returns the results of one policy in one environment: one result per training. */
export function listTrainings(
  { cells }: PolicyComparison,
  policy: string,
  environment: string,
): ComparisonCell[] {
  return cells.filter((cell) => cell.policy === policy && cell.environment === environment);
}

/** Lists the policies that ran in an environment; `colour` is the policy's index among all policies. */
export function listPoliciesIn(
  comparison: PolicyComparison,
  environment: string,
): { readonly name: string; readonly colour: number; readonly cells: readonly ComparisonCell[] }[] {
  return listComparedPolicies(comparison).map(({ name }, colour) => ({
    ...{ name, colour, cells: listTrainings(comparison, name, environment) },
  })).filter(({ cells }) => cells.length > 0);
}

export function summarizeTrainings(
  cells: readonly ComparisonCell[],
  figure: (metrics: EpisodeMetrics) => number,
): { mean: number; sd: number | null } {
  const { mean, sd } = meanAndSd(cells.map(({ metrics }) => figure(metrics)));
  return { mean, sd: Number.isNaN(sd) ? null : sd };
}

/** Returns the difference between two policies in an environment; undefined if one did not run there. */
export function findDifference(
  comparison: PolicyComparison,
  policy: string,
  rival: string,
  environment: string,
): PolicyDifference | undefined {
  const returns = (name: string) =>
    listTrainings(comparison, name, environment).map(({ metrics }) => metrics.returns);
  const [mine, theirs] = [returns(policy), returns(rival)];
  return mine.length > 0 && theirs.length > 0 ? comparePolicies(mine, theirs) : undefined;
}

export interface NamedDifference {
  readonly environment: string;
  readonly policy: string;
  readonly rival: string;
  readonly difference: PolicyDifference;
}

/** Compares each trained policy with all other policies, in every environment. */
export function listDifferences(comparison: PolicyComparison): NamedDifference[] {
  const policies = listComparedPolicies(comparison);
  return comparison.environments.flatMap(({ name: environment }) =>
    policies.filter(({ learned }) => learned).flatMap(({ name: policy }) =>
      policies.filter(({ name }) => name !== policy).flatMap(({ name: rival }) => {
        const difference = findDifference(comparison, policy, rival, environment);
        return difference ? [{ environment, policy, rival, difference }] : [];
      })
    )
  );
}

export function getRewardUnit({ reward }: PolicyComparison): string {
  return reward === "click" ? "clicks" : "utility";
}

export interface SlateSizeGroup {
  readonly environment: ComparisonEnvironment;
  readonly rows: readonly {
    readonly policy: string;
    /** [slate sizes][trainings] results; an empty list if the policy did not run with a slate size. */
    readonly cells: readonly (readonly ComparisonCell[])[];
  }[];
}

/** Groups comparisons that differ only in slate size. Returns undefined if other settings differ. */
export function groupBySlateSize(comparisons: readonly PolicyComparison[]): SlateSizeGroup[] | undefined {
  const [first] = comparisons;
  if (!first || comparisons.length < 2) return undefined;
  const count = (name: keyof PolicyTask) => new Set(comparisons.map((task) => task[name])).size;
  const isComparable = taskSettings.every((name) =>
    count(name) === (name === "slate" ? comparisons.length : 1)
  );
  if (!isComparable) return undefined;
  const policies = listComparedPolicies({ cells: comparisons.flatMap(({ cells }) => cells) });
  return first.environments.map((environment) => ({
    environment,
    rows: policies.flatMap(({ name: policy }) => {
      const cells = comparisons.map((comparison) => listTrainings(comparison, policy, environment.name));
      return cells.some((own) => own.length > 0) ? [{ policy, cells }] : [];
    }),
  }));
}

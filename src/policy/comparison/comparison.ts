/** Policies x environments x trainings, as plain data: what the table, the verdict and the page are made of. */

import type { PolicyTrainingConfig } from "../learning/config.ts";
import { differenceOf, type PolicyDifference } from "./difference.ts";
import type { Consistency, PageCalibration } from "./calibration.ts";
import type { EpisodeFigures } from "./figures.ts";
import { meanAndSd } from "../../data/mean_sd.ts";

/** What a policy is for, as far as users see it. */
export type PolicyTask = Pick<
  PolicyTrainingConfig,
  "slate" | "pages" | "reward" | "start" | "repeats" | "leave" | "patience"
>;

/** Each setting in words. */
const WORDS: { readonly [Name in keyof PolicyTask]: (value: PolicyTask[Name]) => string } = {
  slate: (slate) => `slates of ${slate}`,
  pages: (pages) => `${pages} pages`,
  reward: (reward) => reward === "click" ? "clicks as the reward" : "the utility as the reward",
  start: (start) =>
    start === "empty" ? "users without a click before" : `users with the clicks of ${start} users`,
  repeats: (repeats) => repeats ? "clicked items shown again" : "no item after its click",
  leave: (leave) => leave > 0 ? `leaving with probability ${leave}` : "no leaving by chance",
  patience: (patience) => patience > 0 ? `a patience of ${patience}` : "endless patience",
};

/**
 * A name for each of some tasks: its slates, and of the other settings those in which they differ. "slates of 3, 20 pages".
 * Empty for a task alone.
 */
export function taskNames(tasks: readonly PolicyTask[]): string[] {
  if (tasks.length < 2) return tasks.map(() => "");
  const names = Object.keys(WORDS) as (keyof PolicyTask)[];
  const told = names.filter((name) => name === "slate" || new Set(tasks.map((task) => task[name])).size > 1);
  const word = <Name extends keyof PolicyTask>(name: Name, task: PolicyTask) => WORDS[name](task[name]);
  return tasks.map((task) => told.map((name) => word(name, task)).join(", "));
}

/** What an environment is to the policies: the model that they learned on, another model, or who really clicks. */
export type Role = "trained on" | "second model" | "truth";

export interface Environment {
  /** Unique, short: it stands beside every figure. */
  readonly name: string;
  readonly role: Role;
  /** The return of the best policy that is known, where the truth can be computed. */
  readonly optimum?: number;
}

/** What of a policy's pages the log supports. */
export interface Support {
  /** Share of the states that are farther out than 99 % of the logged ones. */
  readonly statesBeyond: number;
  /** Share of the shown items with fewer than 20 displays in the log. */
  readonly rareSlots: number;
}

/** A policy, of one training, in an environment. */
export interface Cell {
  readonly policy: string;
  /** Seed of its training; null for a policy that is not trained. */
  readonly seed: number | null;
  readonly environment: string;
  readonly figures: EpisodeFigures;
  /** What the model that the policy was trained on says of its pages here. */
  readonly calibration?: PageCalibration;
  readonly support?: Support;
  /** Of policies with Q-values alone. */
  readonly consistency?: readonly Consistency[];
}

/** Of one task: slates of k items, T pages. */
export interface Comparison extends Readonly<PolicyTask> {
  readonly users: number;
  readonly seed: number;
  /** Those of the policies that learned first; see {@link policiesOf}. */
  readonly environments: readonly Environment[];
  /** In every environment the same policies and seeds. */
  readonly cells: readonly Cell[];
}

/** Names of the policies, in their order; those that were trained first. */
export function policiesOf({ cells }: Comparison): { name: string; learned: boolean }[] {
  const learned = (wanted: boolean) =>
    [
      ...new Set(cells.filter(({ seed }) => (seed !== null) === wanted).map(({ policy }) => policy)),
    ].map((name) => ({ name, learned: wanted }));
  return [...learned(true), ...learned(false)];
}

/** The cells of a policy in an environment, one for each training. */
export function trainingsOf({ cells }: Comparison, policy: string, environment: string): Cell[] {
  return cells.filter((cell) => cell.policy === policy && cell.environment === environment);
}

/** A figure's mean over trainings, and its spread. */
export function overTrainings(
  cells: readonly Cell[],
  figure: (figures: EpisodeFigures) => number,
): { mean: number; sd: number | null } {
  const { mean, sd } = meanAndSd(cells.map(({ figures }) => figure(figures)));
  return { mean, sd: Number.isNaN(sd) ? null : sd };
}

/** Undefined where one of both was not tried in the environment. */
export function differenceIn(
  comparison: Comparison,
  policy: string,
  rival: string,
  environment: string,
): PolicyDifference | undefined {
  const returns = (name: string) =>
    trainingsOf(comparison, name, environment).map(({ figures }) => figures.returns);
  const [mine, theirs] = [returns(policy), returns(rival)];
  return mine.length > 0 && theirs.length > 0 ? differenceOf(mine, theirs) : undefined;
}

/** A difference, with who differs and where. */
export interface NamedDifference {
  readonly environment: string;
  readonly policy: string;
  readonly rival: string;
  readonly difference: PolicyDifference;
}

/** Of every learned policy and each of the others, in every environment. */
export function differencesOf(comparison: Comparison): NamedDifference[] {
  const policies = policiesOf(comparison);
  return comparison.environments.flatMap(({ name: environment }) =>
    policies.filter(({ learned }) => learned).flatMap(({ name: policy }) =>
      policies.flatMap(({ name: rival }) => {
        const difference = rival === policy
          ? undefined
          : differenceIn(comparison, policy, rival, environment);
        return difference ? [{ environment, policy, rival, difference }] : [];
      })
    )
  );
}

/** What a reward is called in a sentence. */
export function unitOf({ reward }: Comparison): string {
  return reward === "click" ? "clicks" : "utility";
}

/** A policy in an environment. */
export interface SlatesRow {
  readonly policy: string;
  /** Of each comparison, the policy's trainings; none where it was not tried. */
  readonly cells: readonly (readonly Cell[])[];
}

export interface SlatesGroup {
  readonly environment: Environment;
  readonly rows: readonly SlatesRow[];
}

/** Undefined where the comparisons are not of different slates alone. */
export function bySlates(comparisons: readonly Comparison[]): SlatesGroup[] | undefined {
  const [first] = comparisons;
  if (!first || comparisons.length < 2) return undefined;
  const tasks = new Set(
    comparisons.map(({ pages, reward, start, repeats, leave, patience }) =>
      JSON.stringify([pages, reward, start, repeats, leave, patience])
    ),
  );
  if (tasks.size > 1 || new Set(comparisons.map(({ slate }) => slate)).size < comparisons.length) {
    return undefined;
  }
  const named = comparisons.flatMap((comparison) => policiesOf(comparison));
  const names = [true, false].flatMap((learned) =>
    named.filter((one) => one.learned === learned).map(({ name }) => name)
  );
  return first.environments.map((environment) => ({
    environment,
    rows: [...new Set(names)].flatMap((policy) => {
      const cells = comparisons.map((comparison) => trainingsOf(comparison, policy, environment.name));
      return cells.some((own) => own.length > 0) ? [{ policy, cells }] : [];
    }),
  }));
}

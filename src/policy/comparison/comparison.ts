/** Policies x environments x trainings, as plain data: what the table, the verdict and the page are made of. */

import { differenceOf, type PolicyDifference } from "./difference.ts";
import type { Consistency } from "./consistency.ts";
import type { EpisodeFigures } from "./episodes.ts";
import type { PageCalibration } from "./page_calibration.ts";
import type { PolicyTask } from "./tasks.ts";
import { meanAndSd } from "../../data/mean_sd.ts";

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

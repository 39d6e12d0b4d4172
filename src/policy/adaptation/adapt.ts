/**
 * Policies that go on learning with users that they have never met, and how fast they get good: clicks against interactions. An
 * interaction is one page of each of some users; what was clicked on it is learned from before the next. After an episode others
 * take their places, and what was learned stays.
 */

import type { Gpu } from "../../gpu/device.ts";
import { FigureSums } from "../../simulate/figures.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { ParameterSpec, Weights } from "../../tape/parameters.ts";
import { UserError } from "../../user_error.ts";
import { goingOn, type PolicyTrainingConfig } from "../learning/config.ts";
import type { MakeLearner } from "../learning/learner.ts";
import { LinUcb } from "./lin_ucb.ts";
import { type ItemVectors, learnLinUcb } from "./lin_ucb_play.ts";
import { PolicyTrainer } from "../learning/policy_trainer.ts";
import { pairedDifference } from "../../data/paired.ts";
import { meanAndSd } from "../../data/mean_sd.ts";
import type { Interval } from "../../figures/bootstrap.ts";

/** How long, and with whom. */
export interface AdaptOptions {
  /** Whole episodes are played; what is beyond is left out. */
  readonly interactions: number;
  /** Users of an interaction. */
  readonly users: number;
  /** Rules everything random: another one is another run. */
  readonly seed: number;
  /** Told after some interactions; may stop the work by throwing. */
  readonly onProgress?: (done: number, of: number) => void | Promise<void>;
}

/**
 * @param weights of the policy as it was trained; without them it begins with random ones, and with what its training explores.
 * @param observes whom the policy sees users through. @returns [interactions] click rates.
 * @throws UserError for a policy that is not rewarded by clicks.
 */
export async function adaptPolicy(
  gpu: Gpu,
  users: UsersSource,
  observes: UsersSource,
  { config, makeLearner, weights }: {
    readonly config: PolicyTrainingConfig;
    /** By default what the config names. */
    readonly makeLearner?: MakeLearner;
    readonly weights?: (specs: readonly ParameterSpec[]) => Weights;
  },
  { interactions, users: together, seed, onProgress }: AdaptOptions,
): Promise<Float64Array> {
  if (config.reward !== "click") {
    throw new UserError(
      "Expected a policy that was trained with --reward click, got one with --reward utility.",
    );
  }
  const own: PolicyTrainingConfig = {
    ...(weights ? goingOn(config) : config),
    ...{ users: together, steps: interactions * together, seed, start: "empty" }, // they have never been met
  };
  using trainer = await PolicyTrainer.create(gpu, users, own, { makeLearner, observes });
  if (weights) trainer.setWeights(weights(trainer.specs));
  const rates = new Float64Array(interactions);
  const { iterations } = trainer.schedule;
  while (trainer.iteration < iterations) {
    await trainer.run(trainer.schedule.endOfEpisode(trainer.iteration + 1), {
      onStep: ({ iteration, reward }) => {
        if (iteration <= interactions) rates[iteration - 1] = reward;
      },
    });
    await onProgress?.(Math.min(interactions, trainer.iteration), interactions);
  }
  return rates;
}

/** LinUCB from nothing. @returns [interactions] click rates. */
export async function adaptLinUcb(
  gpu: Gpu,
  users: UsersSource,
  vectors: ItemVectors,
  { alpha, ...config }: Pick<PolicyTrainingConfig, "slate" | "pages" | "repeats" | "leave" | "patience"> & {
    readonly alpha: number;
  },
  { interactions, users: together, seed, onProgress }: AdaptOptions,
): Promise<Float64Array> {
  const { slate, pages, repeats, leave, patience } = config;
  const logs = await learnLinUcb(gpu, users, new LinUcb(vectors.values, vectors.width, alpha), vectors, {
    ...{ slate, pages, repeats, leave, patience, seed, users: together },
    episodes: Math.ceil(interactions / pages),
    onPage: (done) => onProgress?.(Math.min(interactions, done), interactions),
  });
  const rates = logs.flatMap((log) => {
    const sums = new FigureSums({ ...log, episodes: 1, items: users.itemCount }, log.episode);
    sums.add(log);
    return sums.figures.byPage.map(({ clicks, shown }) => shown > 0 ? clicks / shown : 0);
  });
  return Float64Array.from(rates.slice(0, interactions));
}

/** One policy that adapts. */
export interface AdaptingPolicy {
  readonly name: string;
  /** A run each: [interactions] clicks a page. */
  readonly runs: readonly Float64Array[];
}

/** A point of the curve: the click rate of the interactions since the point before. */
export interface AdaptationPoint {
  /** Interactions that were made by then. */
  readonly interactions: number;
  readonly mean: number;
  /** Over runs; null for one. */
  readonly sd: number | null;
  readonly runs: number;
}

/** What two policies that adapt differ by, on the same users, over runs. */
export interface AdaptationDifference {
  readonly policy: string;
  readonly rival: string;
  /** Click rate over all interactions, policy less rival. */
  readonly mean: number;
  /** Of Student's t over the runs; null for one. */
  readonly interval: Interval | null;
}

/**
 * The click rate of each `window` interactions.
 * @throws RangeError for runs of unlike lengths, or none
 */
export function adaptationCurve({ name, runs }: AdaptingPolicy, window: number): AdaptationPoint[] {
  const length = runs[0]?.length ?? 0;
  if (length === 0 || runs.some((run) => run.length !== length)) {
    throw new RangeError(`expected runs of ${name} with the same number of interactions`);
  }
  const count = Math.max(1, Math.floor(length / window));
  return Array.from({ length: count }, (_, k): AdaptationPoint => {
    const end = Math.min(length, (k + 1) * window);
    const { mean, sd } = meanAndSd(runs.map((run) => rateOf(run.subarray(k * window, end))));
    return { interactions: end, mean, sd: Number.isNaN(sd) ? null : sd, runs: runs.length };
  });
}

/** Each policy less each one after it. */
export function adaptationDifferences(policies: readonly AdaptingPolicy[]): AdaptationDifference[] {
  return policies.flatMap(({ name: policy, runs }, place) =>
    policies.slice(place + 1).map(({ name: rival, runs: others }): AdaptationDifference => {
      const { mean, low, high, count } = pairedDifference(runs.map(rateOf), others.map(rateOf));
      return { policy, rival, mean, interval: count > 1 ? [low, high] : null };
    })
  );
}

/** Clicks a page. */
function rateOf(clicks: Float64Array): number {
  return clicks.reduce((sum, value) => sum + value, 0) / clicks.length;
}

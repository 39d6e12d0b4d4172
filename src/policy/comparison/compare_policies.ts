/**
 * Compares policies in several environments, with the same users and random numbers. All policies run on the
 * device; only a synthetic shop's near-optimal policy ({@link makeOptimalPolicy}) runs on the host.
 */

import type { Gpu } from "../../gpu/device.ts";
import { joinArrays } from "../../gpu/readback.ts";
import { Simulator } from "../../simulate/simulator.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { PolicyTask } from "../learning/policy_training_config.ts";
import type { ComparisonCell, ComparisonEnvironment, PageSupport, PolicyComparison } from "./comparison.ts";
import {
  computePageCalibration,
  computeQConsistency,
  countRareItems,
  LoggedStates,
} from "./trust_metrics.ts";
import { computeEpisodeMetrics } from "./episode_metrics.ts";
import { type EpisodePrediction, EVALUATION_EPISODE } from "./episode_prediction.ts";
import type { SimulatorOptions } from "../../simulate/simulator_options.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import { createOptimalPolicy, type PlanOptions, ShopPlan } from "../../simulate/host/exact_shop.ts";
import { simulateOnHost } from "../../simulate/host/host_simulator.ts";
import type { ShopSource } from "../../simulate/shop_users.ts";

/** User states, and impressions of items, in the log on which the policies' user model was trained. */
export interface LogSupport {
  readonly states: LoggedStates;
  /** [items] number of impressions of each item on the pages of train users. */
  readonly displays: ArrayLike<number>;
}

const MOST_STATES = 50_000;
const LOGGED_USERS = 4096;

export interface ComparisonCellOptions {
  readonly items: number;
  /** True if the policies were trained in this environment. */
  readonly learnedHere: boolean;
  readonly logged?: LogSupport;
}

/** Computes the metrics of one policy in one environment. @throws RangeError if there is no episode. */
export function buildComparisonCell(
  { policy, seed }: Pick<ComparisonCell, "policy" | "seed">,
  environment: string,
  trials: readonly EpisodePrediction[],
  { items, learnedHere, logged }: ComparisonCellOptions,
): ComparisonCell {
  const predicted = trials.flatMap(({ log, predictions }) =>
    predictions ? [{ log, predicted: predictions.predicted }] : []
  );
  const seen = trials.flatMap(({ log, values }) =>
    values?.count === log.slate ? [presentRows(values.values, log.slate, log.present)] : []
  );
  const slate = trials[0]?.log.slate ?? 0;
  return {
    ...{ policy, seed, environment },
    metrics: computeEpisodeMetrics(trials.map(({ log }) => log), items),
    ...(predicted.length > 0 && { calibration: computePageCalibration(predicted) }),
    ...(logged && predicted.length > 0 && { support: computeSupport(trials, logged) }),
    ...(learnedHere && slate > 1 && seen.length > 0 &&
      { consistency: computeQConsistency(joinArrays(seen), slate) }),
  };
}

function computeSupport(trials: readonly EpisodePrediction[], { states, displays }: LogSupport): PageSupport {
  let [beyond, total, rare, shown] = [0, 0, 0, 0];
  const rows = trials.reduce((sum, { log }) => sum + log.present.length, 0);
  const step = Math.ceil(rows / MOST_STATES);
  for (const { log, predictions } of trials) {
    const slates = presentRows(log.slates, log.slate, log.present);
    rare += countRareItems(slates, displays);
    shown += slates.length;
    if (!predictions) continue;
    const found = states.countBeyond(predictions.states, (row) => row % step === 0 && log.present[row] === 1);
    beyond += found.beyond;
    total += found.total;
  }
  return { statesBeyond: beyond / total, rareSlots: rare / shown };
}

function presentRows<T extends Float32Array | Uint32Array>(
  values: T,
  width: number,
  present: ArrayLike<number>,
): T {
  return values.filter((_, k) => present[Math.floor(k / width)] === 1) as T;
}

/**
 * Computes the user states after logged clicks, and the ellipsoid that contains 99 % of these states.
 * @param histories - one list per sampled page: items that its user had clicked by then, oldest first.
 */
export async function readLoggedStates(
  gpu: Gpu,
  observer: UsersSource,
  histories: readonly ArrayLike<number>[],
): Promise<LoggedStates> {
  const users = Math.min(LOGGED_USERS, Math.max(2, histories.length));
  const options = { users, slate: 1, pages: 1, repeats: true, start: histories, usersAtOnce: users };
  using simulator = await Simulator.create(gpu, observer, options);
  await simulator.reset();
  const states = await simulator.states();
  return new LoggedStates(states, states.length / users);
}

export interface OpenEnvironment extends ComparisonEnvironment {
  readonly source: UsersSource;
}

export interface ComparedPolicy {
  readonly policy: string;
  readonly seed: number | null;
  /** Role of the environments in which the policy runs; if undefined, it runs in all environments. */
  readonly only?: ComparisonEnvironment["role"];
  readonly isOptimum?: boolean;
  run(
    environment: UsersSource,
    onPage: (done: number, of: number) => void | Promise<void>,
  ): Promise<EpisodePrediction[]>;
}

export interface CompareOptions extends SimulatorOptions {
  readonly reward: "click" | "utility";
  readonly seed: number;
  /** Name of the user split from which the click histories in `start` were read; default: "empty" (none). */
  readonly startAs?: PolicyTask["start"];
  /** Training log of the first environment's model. It defines which user states and items are rare. */
  readonly logged?: LogSupport;
  /** Called with the progress after every page. If the function throws, the comparison is cancelled. */
  readonly onProgress?: (what: string, done: number, of: number) => void | Promise<void>;
}

/**
 * Compares policies. @param environments - environments with the same catalogue of items. The policies were
 * trained in the first environment. @throws UserError for options that do not fit catalogue or policies.
 */
export async function compare(
  environments: readonly OpenEnvironment[],
  contenders: readonly ComparedPolicy[],
  { logged, onProgress, ...options }: CompareOptions,
): Promise<PolicyComparison> {
  const { users, slate, pages, seed, reward, repeats = false, leave = 0, patience = 0 } = options;
  const { startAs: start = "empty" } = options;
  const cells: ComparisonCell[] = [];
  for (const [place, environment] of environments.entries()) {
    for (const contender of contenders) {
      const { policy, only } = contender;
      if (only !== undefined && only !== environment.role) continue;
      const what = `${policy}${contender.seed === null ? "" : `, seed ${contender.seed}`} in ` +
        `${environment.name}`;
      const trials = await contender.run(environment.source, (done, of) => onProgress?.(what, done, of));
      const about = { learnedHere: place === 0, items: environment.source.itemCount, logged };
      cells.push(buildComparisonCell(contender, environment.name, trials, about));
    }
  }
  const best = contenders.find(({ isOptimum }) => isOptimum)?.policy;
  const known = environments.map(({ name, role }): ComparisonEnvironment => {
    const cell = cells.find(({ policy, environment }) => policy === best && environment === name);
    return { name, role, ...(cell && { optimum: cell.metrics.return.mean }) };
  });
  const task = { slate, pages, reward, start, repeats, leave, patience };
  return { ...task, users, seed, environments: known, cells };
}

const WINDOW_USERS = 100;

/**
 * Returns the near-optimal policy of a synthetic shop: its slates maximise the reward plus the value of the
 * next state. It runs on the host in float64, with the same users and random numbers as other policies.
 * @param points - number of grid points along each dimension of the user state.
 */
export function makeOptimalPolicy(
  { shop, values }: ShopSource,
  options: SimulatorOptions,
  points: PlanOptions["points"],
): ComparedPolicy {
  const { users, slate, pages, reward, seed = 1, leave } = options;
  return {
    ...{ policy: "optimum's policy", seed: null, only: "truth", isOptimum: true },
    async run(_, onPage) {
      const windows = Math.ceil(users / WINDOW_USERS);
      await onPage(0, windows);
      const plan = new ShopPlan(shop, values, { pages, slate, reward, leave, points });
      const policy = createOptimalPolicy(plan);
      const logs: EpisodeLog[] = [];
      for (let firstUser = 0; firstUser < users; firstUser += WINDOW_USERS) {
        const own = {
          users: Math.min(WINDOW_USERS, users - firstUser),
          firstUser,
          episode: EVALUATION_EPISODE,
        };
        logs.push(simulateOnHost(plan.dynamics, policy, { ...options, seed, ...own }));
        await onPage(logs.length, windows);
      }
      return logs.map((log) => ({ log }));
    },
  };
}

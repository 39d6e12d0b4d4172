/** Opens policies by name or folder, and simulates every policy with the same users. */

import { isSameCatalogue } from "../../data/sets/dataset.ts";
import type { OnProgress } from "../../data/log_source.ts";
import { findNamedPolicy, policyNames } from "../../policy/named_policies.ts";
import { openPolicy, type TrainedPolicy } from "../../policy/trained_policy.ts";
import { describeSubject, hasPolicy, isSame } from "../../policy/policy_config.ts";
import type { Policy } from "../../simulate/policy.ts";
import { UserError } from "../../user_error.ts";
import { findAgain, hasSameItems, type SimulationContext } from "./user_selection.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import type { Gpu } from "../../gpu/device.ts";
import { Simulator } from "../../simulate/simulator.ts";
import { GroupedMetrics } from "../../policy/comparison/episode_metrics.ts";
import type { EpisodeSetting } from "../policy/episode_setting.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { SimulateOptions, UserSelectionOptions } from "./simulate_options.ts";
import type { SimulatedPolicy } from "../../report/simulation_page.ts";

/** Limits for the number of users who are simulated at once. */
export interface BatchPace {
  /** Scores (users x items) that a CPU computes at once, at most; Infinity for policies without scores. */
  readonly scores: number;
  /** Minimum number of users who are simulated at once; fewer would not keep the device busy. */
  readonly least: number;
}

const NO_SCORES: BatchPace = { scores: Infinity, least: 1 };
/** Limits for policies that run the utility network for each item. */
const BY_UTILITY: BatchPace = { scores: 2 ** 19, least: 8 };
/** Limits for trained policies that do not run the utility network: they compute less per item. */
const BY_VALUES: BatchPace = { scores: 2 ** 23, least: 128 };

export const RIVALS = ["random", "popular"] as const;

export interface ReadyPolicy {
  readonly name: string;
  readonly policy: Policy;
  readonly pace: BatchPace;
}

/**
 * Finds the policy that an option names. @returns the trained policy of a folder; undefined for a built-in
 * policy such as "greedy". @throws UserError for an unknown policy.
 */
export async function findPolicy(name: string): Promise<TrainedPolicy | undefined> {
  if (findNamedPolicy(name)) return undefined;
  if (await hasPolicy(name)) return await openPolicy(name);
  throw new UserError(
    `Expected a policy: ${policyNames.join(", ")} or the folder of a trained policy, got ` +
      `${JSON.stringify(name)}. Train a policy with deno task -q policy train.`,
  );
}

/** Opens a built-in policy, see {@link findPolicy}. @throws UserError for unsuitable data */
export function openNamedPolicy(
  name: string,
  { data: { source: log }, known }: Pick<SimulationContext, "data" | "known">,
  onProgress?: OnProgress,
): ReadyPolicy {
  const named = findNamedPolicy(name)!;
  const policy = named.make({ log, known, onProgress });
  return { name, policy, pace: named.scoresItems ? BY_UTILITY : NO_SCORES };
}

/** Opens a trained policy. @throws UserError if its model is missing, or has other items than the data */
export async function openTrainedPolicy(
  opened: TrainedPolicy,
  simulated: SimulationContext,
  options: Pick<SimulateOptions, "memoryRows">,
): Promise<ReadyPolicy> {
  const policy = opened.policy(await openTrainingUsers(opened, simulated, options));
  simulated.stack.use(policy);
  const byUtility = opened.config.training.algorithm === "slateq"; // slateq scores by utility and value
  return { name: opened.name, policy, pace: byUtility ? BY_UTILITY : BY_VALUES };
}

export interface SimulationCallbacks {
  readonly signal: AbortSignal;
  onUsers(done: number, of: number): void;
  readonly onLog?: (log: EpisodeLog) => Promise<void>;
}

/** Maximum number of users who are simulated at once. */
const MOST = 4096;
/** Factor by which a GPU simulates more users at once than a CPU (an estimate, not a measurement). */
const ON_GPU = 64;

function countUsersAtOnce(gpu: Gpu, items: number, { scores, least }: BatchPace): number {
  const fit = scores * (gpu.adapter.kind === "gpu" ? ON_GPU : 1) / items;
  return Math.max(least, Math.min(MOST, Math.floor(fit)));
}

/** Simulates all policies. @throws UserError for invalid options; `signal.reason` if `signal` was aborted */
export async function runPolicies(
  { gpu, environment }: Pick<SimulationContext, "gpu" | "environment">,
  { options }: Pick<EpisodeSetting, "options">,
  policies: readonly ReadyPolicy[],
  { signal, onUsers, onLog }: SimulationCallbacks,
): Promise<SimulatedPolicy[]> {
  const runs: SimulatedPolicy[] = [];
  const { users, pages } = options;
  for (const [number, { name, policy, pace }] of policies.entries()) {
    using simulator = await Simulator.create(gpu, environment, {
      ...options,
      usersAtOnce: countUsersAtOnce(gpu, environment.itemCount, pace),
    });
    const groups = new GroupedMetrics(users, pages);
    const found = await simulator.run(policy, {
      onProgress: (done, of) => {
        signal.throwIfAborted();
        onUsers(Math.floor(users * (number + done / of)), users * policies.length);
      },
      onLog: async (log) => {
        groups.add(log);
        if (number === 0) await onLog?.(log);
      },
    });
    runs.push({ name, metrics: groups.compute(found) });
  }
  return runs;
}

/** Opens the users on whom a policy was trained. @throws UserError if the users or items have changed */
export async function openTrainingUsers(
  { path, config: { trainedOn } }: TrainedPolicy,
  { gpu, stack, found: { truth, model, contexts }, environment, known, data }: SimulationContext,
  options: Pick<UserSelectionOptions, "memoryRows">,
): Promise<UsersSource> {
  if (truth && isSame(trainedOn, truth)) return environment;
  const own = model && trainedOn.kind === "model" && isSame(trainedOn, model) &&
    isSameCatalogue(trainedOn.data, model.data);
  if (own) return known ?? environment;
  const found = await findAgain(trainedOn, options);
  if (hasSameItems(found.data, data)) return found.open(gpu, stack, contexts).environment;
  throw new UserError(
    `Expected a policy for the items of ${data.source.name}, got ${path}, which was trained with different ` +
      `items on ${describeSubject(trainedOn)}. Use the data of the policy's training; for a synthetic ` +
      "shop, set --data-seed as in the policy's training.",
  );
}

/** The policies of `simulate`, by their names or their folders; and the same users, with the same random numbers, under each. */

import type { OnProgress } from "../../data/log_source.ts";
import { findNamedPolicy, policyNames } from "../../policy/named_policies.ts";
import { OpenedPolicy } from "../../policy/trained_policy.ts";
import { describeSubject, hasPolicy, isSame } from "../../policy/policy_config.ts";
import type { Policy } from "../../simulate/policy.ts";
import { UserError } from "../../user_error.ts";
import { findAgain, hasSameItems, isSameCatalogue, type SimulationContext } from "./user_selection.ts";
import type { EpisodeLog } from "../../simulate/episode_log.ts";
import type { Gpu } from "../../gpu/device.ts";
import { Simulator } from "../../simulate/simulator.ts";
import { GroupedMetrics, type PolicyMetrics } from "../../policy/comparison/episode_metrics.ts";
import type { EpisodeSetting } from "../policy/episode_setting.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { SimulateOptions, UserSelectionOptions } from "./simulate_options.ts";

/** How many users are stepped together: the more an item costs them, the fewer, so that progress is seen. */
export interface BatchPace {
  /** Users x items between two looks at the progress, about, on a CPU; Infinity for a policy that does not score all items. */
  readonly scores: number;
  /** Fewer would leave the kernels idle. */
  readonly least: number;
}

const NO_SCORES: BatchPace = { scores: Infinity, least: 1 };
/** The layers of the utility for each item. */
const BY_UTILITY: BatchPace = { scores: 2 ** 19, least: 8 };
/** A few operations a unit of the network for each item, for 128 users at a time. */
const BY_VALUES: BatchPace = { scores: 2 ** 23, least: 128 };

/** What every policy is held against. */
export const RIVALS = ["random", "popular"] as const;

/** A policy that is ready to be shown users. */
export interface ReadyPolicy {
  /** As it is called in tables and files. */
  readonly name: string;
  readonly policy: Policy;
  readonly pace: BatchPace;
}

/**
 * Looks what is asked for before anything else is opened.
 * @returns the policy of a folder, undefined for one that has a name. @throws UserError for neither.
 */
export async function findPolicy(name: string): Promise<OpenedPolicy | undefined> {
  if (findNamedPolicy(name)) return undefined;
  if (await hasPolicy(name)) return await OpenedPolicy.open(name);
  throw new UserError(
    `Expected a policy, ${policyNames.join(", ")} or the folder of a trained one, got ` +
      `${JSON.stringify(name)}. deno task policy train makes one.`,
  );
}

/** @throws UserError for a policy that there is not, or that the data say too little for. */
export function openNamedPolicy(
  name: string,
  { data: { source: log }, known }: Pick<SimulationContext, "data" | "known">,
  onProgress?: OnProgress,
): ReadyPolicy {
  const named = findNamedPolicy(name);
  if (!named) throw new UserError(`Expected a policy, got ${JSON.stringify(name)}.`);
  const policy = named.make({ log, known, onProgress });
  return { name, policy, pace: named.scoresItems ? BY_UTILITY : NO_SCORES };
}

/** A policy that was trained sees users through whom it was trained on. @throws UserError where those are gone, or have other items. */
export async function openTrainedPolicy(
  opened: OpenedPolicy,
  simulated: SimulationContext,
  options: Pick<SimulateOptions, "memoryRows">,
): Promise<ReadyPolicy> {
  const policy = opened.policy(await openTrainingUsers(opened, simulated, options));
  simulated.stack.use(policy);
  const byUtility = opened.config.training.algorithm === "slateq"; // beside the values
  return { name: opened.name, policy, pace: byUtility ? BY_UTILITY : BY_VALUES };
}

/** What came of a policy. */
export interface PolicySimulation {
  readonly name: string;
  readonly figures: PolicyMetrics;
  /** [U] */
  readonly returns: Float64Array;
}

export interface SimulationCallbacks {
  readonly signal: AbortSignal;
  /** How many users of all policies are done, and how many there are. */
  onUsers(done: number, of: number): void;
  /** Gets the pages of the first policy, in the order of the users. */
  readonly onLog?: (log: EpisodeLog) => Promise<void>;
}

/** Users that are stepped together, at most. */
const MOST = 4096;
/** On a GPU (reasoned, not measured) so many times as many fill it, and are done as soon. */
const ON_GPU = 64;

function together(gpu: Gpu, items: number, { scores, least }: BatchPace): number {
  const fit = scores * (gpu.adapter.kind === "gpu" ? ON_GPU : 1) / items;
  return Math.max(least, Math.min(MOST, Math.floor(fit)));
}

/** @throws UserError as {@link Simulator.create}; what `signal` was aborted with. */
export async function runPolicies(
  { gpu, environment }: Pick<SimulationContext, "gpu" | "environment">,
  { options }: Pick<EpisodeSetting, "options">,
  policies: readonly ReadyPolicy[],
  { signal, onUsers, onLog }: SimulationCallbacks,
): Promise<PolicySimulation[]> {
  const runs: PolicySimulation[] = [];
  const { users, pages } = options;
  for (const [number, { name, policy, pace }] of policies.entries()) {
    using simulator = await Simulator.create(gpu, environment, {
      ...options,
      together: together(gpu, environment.itemCount, pace),
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
    runs.push({ name, figures: groups.figures(found), returns: found.returns });
  }
  return runs;
}

/** @throws UserError where they have changed since, or have other items than those who click. */
export async function openTrainingUsers(
  { path, config: { trainedOn } }: OpenedPolicy,
  { gpu, stack, found: { truth, model }, environment, known, data }: SimulationContext,
  options: Pick<UserSelectionOptions, "memoryRows">,
): Promise<UsersSource> {
  if (truth && isSame(trainedOn, truth)) return environment;
  const own = model && trainedOn.kind === "model" && isSame(trainedOn, model) &&
    isSameCatalogue(trainedOn.data, model.data);
  if (own) return known ?? environment;
  const found = await findAgain(trainedOn, options);
  if (hasSameItems(found.data, data)) return found.open(gpu, stack).environment;
  throw new UserError(
    `Expected a policy over the items of ${data.source.name}, got ${path}, which was trained on ` +
      `${
        describeSubject(trainedOn)
      } with others. Simulate users of the same items; of a made-up shop those ` +
      "of the same --data-seed.",
  );
}

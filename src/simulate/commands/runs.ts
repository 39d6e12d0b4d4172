/** Simulated users under one policy after another: the same users, and the same random numbers. */

import type { EpisodeLog } from "../episode_log.ts";
import type { Gpu } from "../../gpu/device.ts";
import { Simulator } from "../simulator.ts";
import { FigureGroups, type PolicyFigures } from "../../policy/comparison/simulated_figures.ts";
import type { EpisodeSetting } from "../../policy/commands/episode_setting.ts";
import type { ChosenPolicy, Pace } from "./policies.ts";
import type { Simulated } from "./simulated.ts";

/** What came of a policy. */
export interface PolicyRun {
  readonly name: string;
  readonly figures: PolicyFigures;
  /** [U] */
  readonly returns: Float64Array;
}

export interface RunEvents {
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

function together(gpu: Gpu, items: number, { scores, least }: Pace): number {
  const fit = scores * (gpu.adapter.kind === "gpu" ? ON_GPU : 1) / items;
  return Math.max(least, Math.min(MOST, Math.floor(fit)));
}

/** @throws UserError as {@link Simulator.create}; what `signal` was aborted with. */
export async function runPolicies(
  { gpu, environment }: Pick<Simulated, "gpu" | "environment">,
  { options }: Pick<EpisodeSetting, "options">,
  policies: readonly ChosenPolicy[],
  { signal, onUsers, onLog }: RunEvents,
): Promise<PolicyRun[]> {
  const runs: PolicyRun[] = [];
  const { users, pages } = options;
  for (const [number, { name, policy, pace }] of policies.entries()) {
    const simulator = await Simulator.create(gpu, environment, {
      ...options,
      together: together(gpu, environment.itemCount, pace),
    });
    try {
      const groups = new FigureGroups(users, pages);
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
    } finally {
      simulator.destroy();
    }
  }
  return runs;
}

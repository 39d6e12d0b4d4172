/** Small models whose users are simulated, and how tests run them. */

import type { ClickLog } from "../src/data/click_log.ts";
import { itemsShape } from "../src/data/item_catalogue.ts";
import { keyOf } from "../src/data/philox.ts";
import { randomStream } from "../src/data/random.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../src/model/config.ts";
import { modelParameters } from "../src/model/user_model.ts";
import type { EpisodeLog } from "../src/simulate/episode_log.ts";
import type { SimulatorOptions } from "../src/simulate/options.ts";
import type { Policy } from "../src/simulate/policy.ts";
import { Simulator } from "../src/simulate/simulator.ts";
import { startOf, type StartOptions } from "../src/simulate/start.ts";
import type { UsersSource } from "../src/simulate/users.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { smallLog } from "../src/selftest/small_logs.ts";

const size = { users: 12, items: 41, maxEvents: 4, maxPage: 4 };
export const logs = {
  dense: smallLog(31, { ...size, width: 9 }),
  "one-hot": smallLog(32, { ...size, width: 0 }),
  mixed: smallLog(33, { ...size, width: 5, tokens: 12 }),
};
const dims = [6, 5];
export const lstm: ModelConfig = { ...defaultModel, lstmUnits: 5, dims };
export const pw: ModelConfig = { ...defaultPwModel, pwLags: 3, pwWeightings: 2, dims };
export const tanh: ModelConfig = { ...pw, pwNonlinearity: "tanh" };
const { lstmUnits: _, ...common } = lstm;
export const none: ModelConfig = { ...common, encoder: "none" };

export type Kind = keyof typeof logs;

/** Weights that make users differ and clicks likely. */
export function someWeights(log: ClickLog, config: ModelConfig): Weights {
  return new Map(
    modelParameters(itemsShape(log.items), config).map(({ name, rows, columns }) => {
      const random = randomStream(8, "weights", name);
      return [name, Float32Array.from({ length: rows * columns }, () => 0.5 * random.normal())];
    }),
  );
}

/** Logs of a run. */
export async function played(simulator: Simulator, policy: Policy, options = {}): Promise<EpisodeLog[]> {
  const found: EpisodeLog[] = [];
  await simulator.run(policy, { ...options, onLog: (log) => void found.push(log) });
  return found;
}

/** Users of a source, as long as they are used. */
export async function simulated<T>(
  source: UsersSource,
  gpu: Parameters<typeof Simulator.create>[0],
  options: SimulatorOptions,
  use: (simulator: Simulator) => Promise<T>,
): Promise<T> {
  const simulator = await Simulator.create(gpu, source, options);
  try {
    return await use(simulator);
  } finally {
    simulator.destroy();
  }
}

/** Histories. */
export const start = [[3, 17], [], [40, 2, 2, 9, 31], [8]];
export const run: SimulatorOptions = { users: 45, slate: 3, pages: 11, seed: 5, start };
export const key = keyOf(5);

/** Users over one-hot items start without a click. */
export const startFor = (kind: Kind) => (kind === "one-hot" ? "empty" : start);
export const startedWith = (user: number, episode: number, from: StartOptions = start) =>
  startOf(from, user, episode, key);

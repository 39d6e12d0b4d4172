import { buildCountsConfig } from "../src/counts/count_tables.ts";
import type { ClickLog } from "../src/data/click_log.ts";
import { getItemsShape } from "../src/data/item_catalogue.ts";
import { MemoryLog } from "../src/data/log_source.ts";
import { makeKey } from "../src/data/philox.ts";
import { createRandomStream } from "../src/data/random.ts";
import type { LstmModelConfig, ModelConfig, PwModelConfig } from "../src/model/model_config.ts";
import { initializeFromCounts } from "../src/model/model_counts.ts";
import { listModelParameters } from "../src/model/user_model.ts";
import { SimulatedContexts } from "../src/simulate/contexts.ts";
import type { EpisodeLog } from "../src/simulate/episode_log.ts";
import type { SimulatorOptions } from "../src/simulate/simulator_options.ts";
import type { Policy } from "../src/simulate/policy.ts";
import type { Simulator } from "../src/simulate/simulator.ts";
import { drawStartHistory, type StartOptions } from "../src/simulate/start.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { createSmallLog } from "../src/selftest/small_logs.ts";
import { noHistory, smallLstm, smallPw, WIDTH } from "./small_models.ts";

const size = { users: 12, items: 41, maxEvents: 4, maxPage: 4 };
export const logs = {
  dense: createSmallLog(31, { ...size, width: WIDTH }),
  "one-hot": createSmallLog(32, { ...size, width: 0 }),
  mixed: createSmallLog(33, { ...size, width: WIDTH, tokens: 12 }),
};
export const lstm: LstmModelConfig = smallLstm;
export const pw: PwModelConfig = { ...smallPw, pwWeightings: 2 };
export const tanh: ModelConfig = { ...pw, pwNonlinearity: "tanh" };
export const none: ModelConfig = { ...noHistory, dims: lstm.dims };

export type SimulatedModelKind = keyof typeof logs;

function countedLog({ items }: ClickLog, rowWidth = 0): MemoryLog {
  const sizes = { ...size, users: 150, maxEvents: 8, width: 0, rowWidth };
  return new MemoryLog({ ...createSmallLog(34, sizes), items });
}

export function addCounts(kind: SimulatedModelKind, config: ModelConfig, rowWidth = 0): ModelConfig {
  return { ...config, counts: buildCountsConfig(countedLog(logs[kind], rowWidth), []) };
}

const contexts = new SimulatedContexts(
  (["impression", "impression", "page", "page", "page"] as const).map((kind) => ({
    ...{ kind, name: "x", meaning: "", transform: { of: "known", column: "x" } },
  })),
  Float32Array.from({ length: 5 * (7 + 3 * 41) }, (_, k) => 2 * Math.sin(k * k)),
  7,
  3,
);
/** Returns contexts for a model with five context features, and undefined for other models. */
export const getContexts = ({ counts }: ModelConfig) => counts?.rowFeatures ? contexts : undefined;

/** Draws weights for which users differ and clicks are likely. Counts are those of a log of many users. */
export function drawSomeWeights(log: ClickLog, config: ModelConfig): Weights {
  const start = initializeFromCounts(countedLog(log, config.counts?.rowFeatures), config, 1);
  return new Map(
    listModelParameters(getItemsShape(log.items), config).map(({ name, rows, columns, constant }) => {
      const random = createRandomStream(8, "weights", name);
      const drawn = () => Float32Array.from({ length: rows * columns }, () => 0.5 * random.normal());
      return [name, constant && start.get(name) || drawn()];
    }),
  );
}

export async function playEpisodes(
  simulator: Simulator,
  policy: Policy,
  options = {},
): Promise<EpisodeLog[]> {
  const found: EpisodeLog[] = [];
  await simulator.run(policy, { ...options, onLog: (log) => void found.push(log) });
  return found;
}

export const start = [[3, 17], [], [40, 2, 2, 9, 31], [8]];
export const run: SimulatorOptions = { users: 45, slate: 3, pages: 11, seed: 5, start };
export const key = makeKey(5);

export const startFor = (kind: SimulatedModelKind) => (kind === "one-hot" ? "empty" : start);
export const findStartHistory = (user: number, episode: number, from: StartOptions = start) =>
  drawStartHistory(from, user, episode, key);

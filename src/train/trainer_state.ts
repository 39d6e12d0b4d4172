/** What a training stands at. */

import { type LateWeights, readAll, valuesOf, type Weights } from "../tape/parameters.ts";
import type { BestKeeper } from "./best_keeper.ts";
import { type BestRecords, criteria, type Criterion } from "./best_records.ts";
import { type BufferOf, lateJoined, readJoined, type TrainedNetwork, writeJoined } from "./networks.ts";

/** Everything that a resumed training needs to go on bit for bit; the generator's names carry its prefix. */
export interface TrainerState {
  /** Steps done. */
  readonly iteration: number;
  /** Of all networks. */
  readonly weights: Weights;
  /** Adam's first moments; zeros of a network that stays as it is. */
  readonly m: Weights;
  /** Adam's second moments; zeros of a network that stays as it is. */
  readonly v: Weights;
  /** The best validations so far. */
  readonly best: BestRecords;
  /** The weights that were the best, of a training that validates. */
  readonly snapshots: Partial<Record<Criterion, Weights>>;
}

/** A {@link TrainerState} whose tables are read where they are needed, as they may be more than the host's memory together. */
export interface LateState extends Pick<TrainerState, "iteration" | "best"> {
  readonly weights: LateWeights;
  readonly m: LateWeights;
  readonly v: LateWeights;
  readonly snapshots: Partial<Record<Criterion, LateWeights>>;
}

/** What a state is read from, and written to. */
interface Holders {
  readonly networks: readonly TrainedNetwork[];
  readonly keeper: BestKeeper | undefined;
}

/** Waits for the device. Nothing may be in flight. */
export async function readState(
  { networks, keeper }: Holders,
  { iteration, best }: Pick<TrainerState, "iteration" | "best">,
): Promise<TrainerState> {
  return {
    iteration,
    weights: await readWeights(networks),
    m: await readJoined(networks, PARTS.m),
    v: await readJoined(networks, PARTS.v),
    best,
    snapshots: await snapshotsOf(keeper, false),
  };
}

/** The same, in which tables that are larger than a kernel sees are read where they are needed: nothing may run until then. */
export async function readLate(holders: Holders, at: Pick<TrainerState, "iteration" | "best">): Promise<LateState> {
  const { networks, keeper } = holders;
  if (!keeper?.onHost) return await readState(holders, at);
  const late = (of: BufferOf) => lateJoined(networks, of);
  const parts = { weights: late(PARTS.weights), m: late(PARTS.m), v: late(PARTS.v) };
  return { ...at, ...parts, snapshots: await snapshotsOf(keeper, true) };
}

const PARTS = {
  weights: ({ parameters }) => parameters.weights.buffer,
  m: ({ adam }) => adam?.m.buffer,
  v: ({ adam }) => adam?.v.buffer,
} satisfies Record<string, BufferOf>;

async function snapshotsOf(
  keeper: BestKeeper | undefined,
  brief: boolean,
): Promise<Partial<Record<Criterion, Weights>>> {
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const weights = await keeper?.snapshot(criterion, brief);
    if (weights) snapshots[criterion] = weights;
  }
  return snapshots;
}

/** Puts a state back, a parameter at a time. @throws Error for a name or length that no network has. */
export async function writeLate({ networks, keeper }: Holders, state: LateState): Promise<void> {
  for (const part of ["weights", "m", "v"] as const) {
    for (const [name, values] of state[part]) {
      writeJoined(networks, new Map([[name, await valuesOf(values)]]), PARTS[part]);
    }
  }
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const weights = state.snapshots[criterion];
    if (weights) snapshots[criterion] = await readAll(weights);
  }
  keeper?.restore(state.best, snapshots);
}

/** Puts a state back. @throws Error for a name or length that no network has. */
export function writeState({ networks, keeper }: Holders, state: TrainerState): void {
  writeWeights(networks, state.weights);
  writeJoined(networks, state.m, PARTS.m);
  writeJoined(networks, state.v, PARTS.v);
  keeper?.restore(state.best, state.snapshots);
}

/** All weights as they stand. Waits for the device. */
export function readWeights(networks: readonly TrainedNetwork[]): Promise<Weights> {
  return readJoined(networks, PARTS.weights);
}

/** Replaces all weights. @throws Error for a name or length that no network has. */
export function writeWeights(networks: readonly TrainedNetwork[], weights: Weights): void {
  writeJoined(networks, weights, PARTS.weights);
}

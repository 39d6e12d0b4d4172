/**
 * A training's state whose tables are read where they are needed: all of a million items' at once may be more than the host's
 * memory.
 */

import {
  type LateWeights,
  type ParameterArena,
  type ParameterSpec,
  valuesOf,
  type Weights,
} from "../tape/parameters.ts";
import type { BatchTrainer } from "../train/batch_trainer.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import { type BufferOf, type TrainedNetwork, writeJoined } from "../train/networks.ts";
import { BUFFERS, type TrainerState } from "../train/trainer_state.ts";

/** A {@link TrainerState}, read late. */
export interface LateState extends Pick<TrainerState, "iteration" | "best"> {
  readonly weights: LateWeights;
  readonly m: LateWeights;
  readonly v: LateWeights;
  readonly snapshots: Partial<Record<Criterion, LateWeights>>;
}

/** What of a trainer has a state. */
type Trained = Pick<BatchTrainer<never, unknown>, "state" | "restore" | "holders" | "iteration" | "best">;

/** What a training stands at. Where tables are larger than a kernel sees, they are read later: nothing may run until then. */
export async function lateState(trainer: Trained): Promise<LateState> {
  const { holders: { networks, keeper }, iteration, best } = trainer;
  if (!keeper?.onHost) return await trainer.state();
  const parts = {
    weights: late(networks, BUFFERS.weights),
    m: late(networks, BUFFERS.m),
    v: late(networks, BUFFERS.v),
  };
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const weights = await keeper.snapshot(criterion, true);
    if (weights) snapshots[criterion] = weights;
  }
  return { iteration, best, ...parts, snapshots };
}

/** Puts a training where another one stood, a parameter at a time. Nothing may be in flight. */
export async function restoreLate(trainer: Trained, state: LateState): Promise<void> {
  const { networks } = trainer.holders;
  for (const part of ["weights", "m", "v"] as const) {
    for (const [name, values] of state[part]) {
      writeJoined(networks, new Map([[name, await valuesOf(values)]]), BUFFERS[part]);
    }
  }
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const weights = state.snapshots[criterion];
    if (weights) snapshots[criterion] = await readAll(weights);
  }
  const written: Weights = new Map();
  const { iteration, best } = state;
  trainer.restore({ iteration, best, weights: written, m: written, v: written, snapshots });
}

export async function readAll(weights: LateWeights): Promise<Weights> {
  const all: Weights = new Map();
  for (const [name, values] of weights) all.set(name, await valuesOf(values));
  return all;
}

function late(networks: readonly TrainedNetwork[], of: BufferOf): LateWeights {
  return new Map(networks.flatMap((network) => {
    const { prefix, parameters } = network;
    return parameters.specs.map((spec) =>
      [prefix + spec.name, lateValues(parameters, spec, of(network))] as const
    );
  }));
}

/** @param buffer undefined for zeros */
function lateValues(parameters: ParameterArena, spec: ParameterSpec, buffer: GPUBuffer | undefined) {
  const length = spec.rows * spec.columns;
  const { name } = spec;
  return {
    length,
    read: async () => buffer ? await parameters.readOne(name, buffer) : new Float32Array(length),
  };
}

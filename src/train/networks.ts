/**
 * The state of a training has three maps: weights, and Adam's first and second moments. Each map has the
 * parameters of the reward and, with a prefix in their names, those of the generator.
 */

import type { AdamState } from "../ops/adam.ts";
import type { ParameterArena, ParameterSpec, Weights } from "../tape/parameters.ts";
import type { BestRecords, Criterion } from "./best_records.ts";

/** Prefix of the names of the generator's parameters, in snapshots and training states. */
export const GENERATOR_PREFIX = "generator/";

export interface TrainedNetwork {
  /** Prefix of parameter names: empty for the reward, {@link GENERATOR_PREFIX} for the generator. */
  readonly prefix: string;
  readonly parameters: ParameterArena;
  /** Adam's moments; undefined for a network that is not trained. */
  readonly adam: AdamState | undefined;
}

/** State of a training. A training resumed from it has the same bits as an uninterrupted training. */
export interface TrainerState {
  /** Number of finished training steps. */
  readonly iteration: number;
  /** Weights of all networks. */
  readonly weights: Weights;
  /** Adam's first moments; zeros for a network that is not trained. */
  readonly m: Weights;
  /** Adam's second moments; zeros for a network that is not trained. */
  readonly v: Weights;
  /** Best validation result so far for each criterion. */
  readonly best: BestRecords;
  /** Best weights by each criterion; empty if the training has no validations. */
  readonly snapshots: Partial<Record<Criterion, Weights>>;
}

type BufferPicker = (network: TrainedNetwork) => GPUBuffer | undefined;

/** Functions that return a network's buffers: weights, and Adam's first and second moments. */
export const stateBuffers = {
  weights: ({ parameters }) => parameters.weights.buffer,
  m: ({ adam }) => adam?.m.buffer,
  v: ({ adam }) => adam?.v.buffer,
} satisfies Record<string, BufferPicker>;

export function joinParameterSpecs(networks: readonly TrainedNetwork[]): ParameterSpec[] {
  return networks.flatMap(({ prefix, parameters }) =>
    parameters.specs.map((spec) => ({ ...spec, name: prefix + spec.name }))
  );
}

/** Reads the buffer that `pick` returns for each network. If `pick` returns no buffer, returns zeros. */
export async function readJoined(networks: readonly TrainedNetwork[], pick: BufferPicker): Promise<Weights> {
  const joined: Weights = new Map();
  for (const network of networks) {
    const buffer = pick(network);
    if (!buffer) {
      for (const { name, rows, columns } of network.parameters.specs) {
        joined.set(network.prefix + name, new Float32Array(rows * columns));
      }
      continue;
    }
    for (const [name, values] of await network.parameters.read(buffer)) {
      joined.set(network.prefix + name, values);
    }
  }
  return joined;
}

/** Writes the buffer that `pick` returns per network. @throws Error for an unknown name or wrong length. */
export function writeJoined(networks: readonly TrainedNetwork[], weights: Weights, pick: BufferPicker): void {
  for (const network of networks) {
    const buffer = pick(network);
    if (buffer) network.parameters.write(selectNetworkWeights(weights, network.prefix), buffer);
  }
}

export function selectNetworkWeights(weights: Weights, prefix: string): Weights {
  const part: Weights = new Map();
  for (const [name, values] of weights) {
    if (prefix === "" ? !name.startsWith(GENERATOR_PREFIX) : name.startsWith(prefix)) {
      part.set(name.slice(prefix.length), values);
    }
  }
  return part;
}

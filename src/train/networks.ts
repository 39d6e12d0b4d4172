/** The networks that a trainer moves, as one set of named weights. The names of the second network carry a prefix. */

import type { AdamState } from "../ops/adam.ts";
import type { ParameterArena, ParameterSpec, Weights } from "../tape/parameters.ts";

/** Before the names of the generator's parameters, in snapshots and states. */
export const GENERATOR_PREFIX = "generator/";

export interface TrainedNetwork {
  /** "" for the reward, {@link GENERATOR_PREFIX} for the generator. */
  readonly prefix: string;
  readonly parameters: ParameterArena;
  /** Absent for a network that stays as it is. */
  readonly adam: AdamState | undefined;
}

/** What is read or written of every network. */
export type BufferSelector = (network: TrainedNetwork) => GPUBuffer | undefined;

export function joinParameterSpecs(networks: readonly TrainedNetwork[]): ParameterSpec[] {
  return networks.flatMap(({ prefix, parameters }) =>
    parameters.specs.map((spec) => ({ ...spec, name: prefix + spec.name }))
  );
}

/** One wait a network. Networks without that buffer count as zeros. */
export async function readJoined(networks: readonly TrainedNetwork[], of: BufferSelector): Promise<Weights> {
  const joined: Weights = new Map();
  for (const network of networks) {
    const buffer = of(network);
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

/** @throws Error for a name or length that no network has. */
export function writeJoined(networks: readonly TrainedNetwork[], weights: Weights, of: BufferSelector): void {
  for (const network of networks) {
    const buffer = of(network);
    if (buffer) network.parameters.write(selectNetworkWeights(weights, network.prefix), buffer);
  }
}

/** The weights of one network by its own names. */
export function selectNetworkWeights(weights: Weights, prefix: string): Weights {
  const part: Weights = new Map();
  for (const [name, values] of weights) {
    if (prefix === "" ? !name.startsWith(GENERATOR_PREFIX) : name.startsWith(prefix)) {
      part.set(name.slice(prefix.length), values);
    }
  }
  return part;
}

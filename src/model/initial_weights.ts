/** What the parts of a model declare: parameters, and how each is drawn at the start. */

import { createRandomStream, type Random } from "../data/random.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";

/** A parameter of a model, and its start. */
export interface ModelParameter extends ParameterSpec {
  /**
   * Draws one initial value.
   * @internal
   */
  readonly initial: (random: Random) => number;
}

export const drawZeros = (): number => 0;
export const drawOnes = (): number => 1;

/** Normal with standard deviation `sd`, cut at two of them. */
export function makeTruncatedNormal(sd: number): (random: Random) => number {
  return (random) => sd * random.truncatedNormal();
}

/** Glorot and Bengio 2010: uniform in +- sqrt(6 / (fan in + fan out)). */
export function makeGlorotUniform(fanIn: number, fanOut: number): (random: Random) => number {
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return (random) => limit * (2 * random.uniform() - 1);
}

/**
 * The initial weights of a seed; each parameter has a stream of its own, so that adding one moves no other.
 * @param prefix tells networks of one seed apart that have parameters of the same names.
 */
export function drawInitialWeights(
  parameters: readonly ModelParameter[],
  seed: number,
  prefix = "",
): Weights {
  return new Map(parameters.map(({ name, rows, columns, initial }) => {
    const random = createRandomStream(seed, "weights", prefix + name);
    const weights = new Float32Array(rows * columns);
    // In a loop: a table of a large catalogue has millions of them, and Float32Array.from() takes long.
    for (let k = 0; k < weights.length; k++) weights[k] = initial(random);
    return [name, weights];
  }));
}

/** Parameters of a model, and the distributions of their initial values. */

import { createRandomStream, type Random } from "../data/random.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";

export interface ModelParameter extends ParameterSpec {
  /** @internal Function that draws one initial value. */
  readonly initial: (random: Random) => number;
}

export const drawZeros = (): number => 0;
export const drawOnes = (): number => 1;

/** Returns a function that draws from a normal distribution with mean 0 and sd `sd`, truncated at 2 `sd`. */
export function makeTruncatedNormal(sd: number): (random: Random) => number {
  return (random) => sd * random.truncatedNormal();
}

/** Returns a function that draws uniformly in +- sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010). */
export function makeGlorotUniform(fanIn: number, fanOut: number): (random: Random) => number {
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return (random) => limit * (2 * random.uniform() - 1);
}

/** Draws initial weights. Each parameter has its own random stream, whose name begins with `prefix`. */
export function drawInitialWeights(specs: readonly ModelParameter[], seed: number, prefix = ""): Weights {
  return new Map(specs.map(({ name, rows, columns, initial }) => {
    const random = createRandomStream(seed, "weights", prefix + name);
    const weights = new Float32Array(rows * columns);
    // A loop: Float32Array.from() is slow for the millions of values of a large catalogue's table.
    for (let k = 0; k < weights.length; k++) weights[k] = initial(random);
    return [name, weights];
  }));
}

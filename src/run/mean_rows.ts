/** The rows of tokens that no train user was shown: a snapshot has the mean of their field there. */

import type { Features } from "../data/manifest.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";

/**
 * Weights in which the token for all other values of a field has the mean of the field's rows, where training never meets
 * that token: what is not known of a value is what values are like on average.
 * @param V tokens of the model. @returns the same weights where there is no such field.
 */
export function withMeanRows(
  specs: readonly ParameterSpec[],
  weights: Weights,
  features: Features | undefined,
  V: number,
): Weights {
  const fields = (features?.tokens ?? []).filter(({ other, count }) => other === "mean" && count > 1);
  if (fields.length === 0) return weights;
  const filled: Weights = new Map(weights);
  for (const { name, rows, columns, table } of specs) {
    const values = weights.get(name);
    if (!table || rows !== V || !values) continue;
    const own = values.slice();
    for (const { first, count } of fields) {
      const last = first + count - 1;
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let row = first; row < last; row++) sum += values[row * columns + column] ?? 0;
        own[last * columns + column] = sum / (count - 1);
      }
    }
    filled.set(name, own);
  }
  return filled;
}

/** From the utilities of a page to the probabilities of its clicks, on the host. */

import { UserError } from "../user_error.ts";
import type { ModelConfig } from "./config.ts";

/** How likely each item of a page is clicked, and that none is. They add up to 1. */
export interface ChoiceProbabilities {
  /** Of each item, in the page's order. */
  readonly items: Float64Array<ArrayBuffer>;
  /** That nothing is clicked. */
  readonly noClick: number;
}

/** @throws UserError for a utility that is no finite number. */
export function expectFinite(utilities: ArrayLike<number>): void {
  for (let k = 0; k < utilities.length; k++) {
    if (Number.isFinite(utilities[k])) continue;
    throw new UserError(
      `Expected utilities that are finite numbers, got ${
        utilities[k]
      }: the model's weights are too large, so nothing that ` +
        "it says means anything. Use another snapshot.",
    );
  }
}

/**
 * P(a) = exp(eta u_a) / (1 + sum exp(eta u)), with the largest exponent taken out, so that nothing overflows.
 * @throws UserError for utilities that are no finite numbers.
 */
export function choiceProbabilities(
  { eta }: Pick<ModelConfig, "eta">,
  utilities: ArrayLike<number>,
): ChoiceProbabilities {
  expectFinite(utilities);
  let most = 0; // no click
  for (let k = 0; k < utilities.length; k++) most = Math.max(most, eta * (utilities[k] ?? NaN));
  const items = Float64Array.from(utilities, (u) => Math.exp(eta * u - most));
  let sum = Math.exp(-most);
  for (const value of items) sum += value;
  return { items: items.map((value) => value / sum), noClick: Math.exp(-most) / sum };
}

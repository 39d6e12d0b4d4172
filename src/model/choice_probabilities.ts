/** From the utilities of a page to the probabilities of its clicks, on the host. */

import { UserError } from "../user_error.ts";
import type { ModelConfig } from "./model_config.ts";

/** How likely each item of a page is clicked, and that none is. Of a model of choices they add up to 1. */
export interface ChoiceProbabilities {
  /** Of each item, in the page's order. */
  readonly items: Float64Array<ArrayBuffer>;
  /** That nothing is clicked. */
  readonly noClick: number;
}

/** The error of weights that make utilities which are no finite numbers. */
export function nonFiniteWeightsError(got: number | string): UserError {
  return new UserError(
    `Expected utilities that are finite numbers, got ${got}: the model's weights are too large, so nothing that ` +
      "it says means anything. Use another snapshot.",
  );
}

/** @throws UserError for a utility that is no finite number. */
export function expectFinite(utilities: ArrayLike<number>): void {
  for (let k = 0; k < utilities.length; k++) {
    if (Number.isFinite(utilities[k])) continue;
    throw nonFiniteWeightsError(utilities[k] ?? NaN);
  }
}

/**
 * P(a) = exp(eta u_a) / (1 + sum exp(eta u)), with the largest exponent taken out, so that nothing overflows. With the
 * logistic loss each item is clicked or not by itself: P(a) = 1 / (1 + exp(-eta u_a)), P(no click) = product of 1 - P(a).
 * @param utilities with what positions add to them, where a model has a position effect: see
 *   {@link import("./position_effect.ts").addPositionEffects}.
 * @throws UserError for utilities that are no finite numbers.
 */
export function computeChoiceProbabilities(
  { eta, loss }: Pick<ModelConfig, "eta"> & Partial<Pick<ModelConfig, "loss">>,
  utilities: ArrayLike<number>,
): ChoiceProbabilities {
  expectFinite(utilities);
  if (loss === "logistic") {
    const items = Float64Array.from(utilities, (u) => 1 / (1 + Math.exp(-eta * u)));
    return { items, noClick: items.reduce((product, p) => product * (1 - p), 1) };
  }
  let most = 0; // no click
  for (let k = 0; k < utilities.length; k++) most = Math.max(most, eta * (utilities[k] ?? NaN));
  const items = Float64Array.from(utilities, (u) => Math.exp(eta * u - most));
  let sum = Math.exp(-most);
  for (const value of items) sum += value;
  return { items: items.map((value) => value / sum), noClick: Math.exp(-most) / sum };
}

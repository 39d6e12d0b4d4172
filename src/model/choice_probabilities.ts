/** Computes, on the CPU, a page's click probabilities from the utilities of its items. */

import { UserError } from "../user_error.ts";
import type { ModelConfig } from "./model_config.ts";

/** Click probabilities of a page. With the choice loss, the sum of `items` and `noClick` is 1. */
export interface ChoiceProbabilities {
  /** Probability of a click on each item, in the order of the page's items. */
  readonly items: Float64Array<ArrayBuffer>;
  /** Probability of no click. */
  readonly noClick: number;
}

export function nonFiniteWeightsError(got: number | string): UserError {
  return new UserError(
    `Expected utilities that are finite numbers, got ${got}: the model's weights are too large. Use another snapshot.`,
  );
}

/** @throws UserError for a non-finite utility. */
export function expectFinite(utilities: ArrayLike<number>): void {
  for (let k = 0; k < utilities.length; k++) {
    if (Number.isFinite(utilities[k])) continue;
    throw nonFiniteWeightsError(utilities[k] ?? NaN);
  }
}

/**
 * Returns the click probability P(a) = exp(eta u_a) / (1 + sum exp(eta u)) of each item a. The largest
 * exponent is subtracted to avoid overflow. With the logistic loss, items are clicked independently: P(a) = 1
 * / (1 + exp(-eta u_a)), and P(no click) is the product of all 1 - P(a). @param utilities - utilities with
 * position effects: {@link import("./position_effect.ts").addPositionEffects}. @throws UserError for a
 * non-finite utility.
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

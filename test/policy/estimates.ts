/** Arrays for estimators, and what they estimate. */

import assert from "node:assert/strict";
import type { Columns, Terms } from "../../src/policy/evaluation/estimators.ts";
import { figureOf } from "../../src/policy/evaluation/evaluate.ts";

export const numbers = (...values: number[]) => Float64Array.from(values);
export const near = (a: number, b: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);
export const range = (count: number) => Array.from({ length: count }, (_, k) => k);
export const estimateOf = (terms: Terms) => figureOf(range(terms.values.length), terms).mean;
export const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0);

/** Of a slate of k, where nothing else is said. */
export const columnsOf = (given: Partial<Columns>, slate = 1): Columns => {
  const no = numbers();
  const pages = { weight: no, reward: no, q: no, v: no };
  return { slate, ...pages, slotReward: no, prefix: no, own: no, slotQ: no, slotV: no, ...given };
};

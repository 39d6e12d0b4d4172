import assert from "node:assert/strict";
import type { EstimatorTerms, EvidenceColumns } from "../../src/policy/evaluation/estimators.ts";
import { estimateMean } from "../../src/policy/evaluation/evaluate_policy.ts";

export const toFloats = (...values: number[]) => Float64Array.from(values);
export const assertNear = (a: number, b: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not ${b}`);
export const listRange = (count: number) => Array.from({ length: count }, (_, k) => k);
export const computeEstimate = (terms: EstimatorTerms) =>
  estimateMean(listRange(terms.values.length), terms).mean;
export const sumNumbers = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0);

export const makeColumns = (given: Partial<EvidenceColumns>, slate = 1): EvidenceColumns => {
  const no = toFloats();
  const pages = { weight: no, reward: no, q: no, v: no };
  const slots = { slotReward: no, prefixWeight: no, slotWeight: no, slotQ: no, slotV: no };
  return { slate, ...pages, ...slots, ...given };
};

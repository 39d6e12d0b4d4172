/** The slate of the highest expected value: against all slates, with values of either sign, masks and ties. */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { slateRatio, type SlateValues, topSlate } from "../../src/simulate/host/slate_ratio.ts";

/** All sets of k of some items. */
function* setsOf(items: readonly number[], k: number): Generator<number[]> {
  if (k === 0) return yield [];
  for (let first = 0; first + k <= items.length; first++) {
    for (const rest of setsOf(items.slice(first + 1), k - 1)) yield [items[first] ?? NaN, ...rest];
  }
}

function valueOf(
  { weights, noneWeight = 1, values, noneValue }: SlateValues,
  slate: readonly number[],
): number {
  const sum = (of: (item: number) => number) => slate.reduce((total, item) => total + of(item), 0);
  const weight = (item: number) => weights[item] ?? NaN;
  return (noneWeight * noneValue + sum((item) => weight(item) * (values[item] ?? NaN))) /
    (noneWeight + sum(weight));
}

Deno.test("slate ratio: the best of all slates, for 2,000 draws; the value never falls, in at most 8 rounds", () => {
  const random = randomStream(1, "slate ratio");
  const I = 12;
  let most = 0, beaten = 0;
  for (let draw = 0; draw < 2000; draw++) {
    const k = 1 + draw % 4;
    const ties = draw % 5 === 0;
    const number = (scale: number) => {
      const x = scale * random.normal();
      return ties ? Math.round(x) : x;
    };
    const masked = Uint8Array.from({ length: I }, () => (draw % 3 === 0 && random.uniform() < 0.5 ? 1 : 0));
    const free = Array.from(masked.keys()).filter((item) => masked[item] === 0);
    if (free.length < k) continue;
    const problem = {
      weights: Float64Array.from({ length: I }, () => Math.exp(number(2))),
      values: Float64Array.from({ length: I }, () => number(3)),
      noneValue: number(3),
      noneWeight: draw % 2 === 0 ? 1 : Math.exp(random.normal()),
    };
    const { slate, value, path, rounds } = slateRatio(problem, k, masked);
    assert.equal(new Set(slate).size, k);
    assert.ok(slate.every((item) => masked[item] === 0));
    assert.ok(Math.abs(valueOf(problem, slate) - value) < 1e-12);
    const best = Math.max(...[...setsOf(free, k)].map((all) => valueOf(problem, all)));
    assert.ok(value > best - 1e-12, `draw ${draw}: expected ${best}, got ${value}`);
    path.slice(1).forEach((next, round) => assert.ok(next > (path[round] ?? NaN)));
    most = Math.max(most, rounds);
    const byWeightedValue = topSlate(
      problem.weights.map((w, item) => w * (problem.values[item] ?? NaN)),
      k,
      masked,
    );
    if (valueOf(problem, byWeightedValue) < best - 1e-9) beaten++;
  }
  assert.ok(most <= 8, `${most} rounds`);
  assert.ok(
    beaten > 1000,
    `the usual short cut is wrong in ${beaten} of 2,000 draws: the draws are hard enough`,
  );
});

Deno.test("slate ratio: with reward 1 and nothing behind it is a top-k of the weights", () => {
  const random = randomStream(2, "slate ratio");
  for (let draw = 0; draw < 200; draw++) {
    const weights = Float64Array.from({ length: 50 }, () => Math.exp(3 * random.normal()));
    const values = new Float64Array(50).fill(1);
    const { slate } = slateRatio({ weights, values, noneValue: 0 }, 5);
    assert.deepEqual(slate, topSlate(weights, 5));
  }
});

Deno.test("top slate: best first, ties to the lowest number, masks, and too few items", () => {
  assert.deepEqual(topSlate([1, 3, 2, 3, -Infinity], 3), [1, 3, 2]);
  assert.deepEqual(topSlate([0, 0, 0, 0], 2), [0, 1]);
  assert.deepEqual(topSlate([-Infinity, 1, -Infinity], 2), [1, 0]);
  assert.deepEqual(topSlate([5, 4, 3, 2], 2, [1, 0, 1, 0]), [1, 3]);
  assert.throws(() => topSlate([5, 4, 3], 2, [1, 0, 1]), /Expected a slate of at most the 1 items .* got 2/);
  const random = randomStream(3, "top slate");
  for (let draw = 0; draw < 200; draw++) {
    const scores = Array.from({ length: 40 }, () => Math.round(5 * random.normal()));
    const sorted = [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
    assert.deepEqual(topSlate(scores, 7), sorted.slice(0, 7));
  }
});

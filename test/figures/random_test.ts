import assert from "node:assert/strict";
import fc from "fast-check";
import jstat from "jstat";
import { randomStream } from "../../src/data/random.ts";

const draws = 40_000;

/** Checks a mean of `draws` numbers against its expectation, 5 standard errors wide. */
function closeMean(values: number[], expected: number, sd: number): void {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const tolerance = 5 * sd / Math.sqrt(values.length);
  assert.ok(
    Math.abs(mean - expected) < tolerance,
    `expected a mean of ${expected} +- ${tolerance}, got ${mean}`,
  );
}

function draw(next: () => number): number[] {
  return Array.from({ length: draws }, next);
}

function correlation(x: number[], y: number[]): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (x[i]! - 0.5) * (y[i]! - 0.5);
  return 12 * sum / x.length;
}

Deno.test("the same seed and path give the same numbers", () => {
  const [one, two] = [randomStream(7, "batch", 3), randomStream(7, "batch", 3)];
  for (let i = 0; i < 100; i++) {
    assert.equal(one.uniform(), two.uniform());
    assert.equal(one.normal(), two.normal());
    assert.equal(one.integer(10), two.integer(10));
  }
});

Deno.test("the numbers of a stream never change: saved runs are resumed with them", () => {
  const random = randomStream(1, "a", 2);
  assert.deepEqual([random.integer(1000), random.integer(1000), random.integer(1000)], [646, 465, 427]);
});

Deno.test("different seeds and paths give different numbers", () => {
  const paths: (number | string)[][] = [
    [],
    ["a"],
    ["b"],
    ["a", 0],
    ["a", 1],
    ["a", "1"],
    ["a", -1],
    ["a", 2 ** 32],
    ["a", 2 ** 32 - 1],
    [0, "a"],
    ["ab", "c"],
    ["a", "bc"],
    ["abc"],
    [""],
    ["", ""],
  ];
  const first = [0, 1, -1, 2 ** 40].flatMap((seed) =>
    paths.map((path) => randomStream(seed, ...path).uniform())
  );
  assert.equal(new Set(first).size, first.length);
});

Deno.test("neighbouring steps are independent of each other", () => {
  const first = Array.from({ length: draws }, (_, step) => randomStream(5, "step", step).uniform());
  closeMean(first, 1 / 2, Math.sqrt(1 / 12));
  assert.ok(Math.abs(correlation(first.slice(1), first.slice(0, -1))) < 5 / Math.sqrt(draws));
  const otherSeed = Array.from({ length: draws }, (_, step) => randomStream(6, "step", step).uniform());
  assert.ok(Math.abs(correlation(first, otherSeed)) < 5 / Math.sqrt(draws));
});

Deno.test("a path of a fraction is refused", () => {
  assert.throws(() => randomStream(0.5), /Expected the seed and path .* got 0.5/);
  assert.throws(() => randomStream(1, NaN), RangeError);
});

Deno.test("uniform: in [0, 1), mean and variance", () => {
  const random = randomStream(1, "uniform");
  const values = draw(() => random.uniform());
  assert.ok(values.every((x) => x >= 0 && x < 1));
  closeMean(values, 1 / 2, Math.sqrt(1 / 12));
  closeMean(values.map((x) => (x - 0.5) ** 2), 1 / 12, Math.sqrt(1 / 180));
});

Deno.test("integer: every value equally often", () => {
  const random = randomStream(1, "integer");
  for (const n of [2, 7, 10]) {
    const values = draw(() => random.integer(n));
    for (let k = 0; k < n; k++) {
      closeMean(values.map((x) => x === k ? 1 : 0), 1 / n, Math.sqrt(1 / n * (1 - 1 / n)));
    }
  }
  assert.equal(random.integer(1), 0);
  assert.ok(random.integer(2 ** 32) < 2 ** 32);
  assert.throws(() => random.integer(0), RangeError);
  assert.throws(() => random.integer(1.5), RangeError);
});

Deno.test("normal: moments, and neighbours uncorrelated", () => {
  const random = randomStream(1, "normal");
  const values = draw(() => random.normal());
  closeMean(values, 0, 1);
  closeMean(values.map((x) => x ** 2), 1, Math.sqrt(2));
  closeMean(values.map((x) => x ** 4), 3, Math.sqrt(96));
  closeMean(values.slice(1).map((x, i) => x * values[i]!), 0, 1);
  closeMean(values.map((x) => x > 1.96 ? 1 : 0), 0.025, Math.sqrt(0.025 * 0.975));
});

Deno.test("normal: the polar method's numbers, one for one", () => {
  const [random, uniform] = [randomStream(2, "polar"), randomStream(2, "polar")];
  for (let pair = 0; pair < 5000; pair++) {
    let x, y, square: number;
    do {
      x = 2 * uniform.uniform() - 1;
      y = 2 * uniform.uniform() - 1;
      square = x * x + y * y;
    } while (square === 0 || square >= 1);
    const scale = Math.sqrt(-2 * Math.log(square) / square);
    assert.deepEqual([random.normal(), random.normal()], [x * scale, y * scale], `pair ${pair}`);
  }
});

Deno.test("normal: a share of one draw in a thousand from elsewhere would be seen", () => {
  const random = randomStream(3, "normal");
  const n = 1_000_000;
  const bins = 100;
  const counts = new Float64Array(bins);
  const borders = Array.from({ length: bins - 1 }, (_, k): number => jstat.normal.inv((k + 1) / bins, 0, 1));
  const beyond = [0, 0];
  let [fourth, sixth] = [0, 0];
  for (let i = 0; i < n; i++) {
    const x = random.normal();
    let [low, high] = [0, bins - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x < (borders[middle] ?? Infinity)) high = middle;
      else low = middle + 1;
    }
    counts[low] = (counts[low] ?? NaN) + 1;
    const square = x * x;
    fourth += square * square;
    sixth += square * square * square;
    if (square > 9) beyond[0] = (beyond[0] ?? NaN) + 1;
    if (square > 16) beyond[1] = (beyond[1] ?? NaN) + 1;
  }
  // Five standard errors each, of the moments, of the tails' binomials, and of chi-square with 99 degrees.
  const within = (found: number, expected: number, sd: number, what: string) =>
    assert.ok(
      Math.abs(found - expected) < 5 * sd,
      `${what}: expected ${expected} +- ${5 * sd}, got ${found}`,
    );
  within(fourth / n, 3, Math.sqrt(96 / n), "fourth moment");
  within(sixth / n, 15, Math.sqrt((10395 - 225) / n), "sixth moment");
  [2.699796e-3, 6.334248e-5].forEach((p, k) =>
    within(beyond[k] ?? NaN, n * p, Math.sqrt(n * p), `beyond ${3 + k}`)
  );
  const chiSquare = counts.reduce((sum, count) => sum + (count - n / bins) ** 2 / (n / bins), 0);
  within(chiSquare, bins - 1, Math.sqrt(2 * (bins - 1)), "chi-square");
});

Deno.test("truncatedNormal: within 2 standard deviations", () => {
  const random = randomStream(1, "truncated");
  const values = draw(() => random.truncatedNormal());
  assert.ok(values.every((x) => Math.abs(x) <= 2));
  closeMean(values, 0, 0.88);
  // The variance of a normal cut at 2: 1 - 4 phi(2) / (2 Phi(2) - 1), phi and Phi its density and
  // distribution.
  closeMean(values.map((x) => x ** 2), 0.7737413, 1);
  // The normal ones in their order, but those beyond.
  const normal = randomStream(1, "truncated");
  const expected = draw(() => normal.normal()).filter((x) => Math.abs(x) <= 2);
  assert.deepEqual(values.slice(0, expected.length), expected);
  assert.ok(Math.max(...values) > 1.99 && Math.min(...values) < -1.99);
});

Deno.test("sampleWithoutReplacement: different numbers in range", () => {
  fc.assert(fc.property(fc.nat(40), fc.nat(40), fc.integer(), (a, b, seed) => {
    const n = Math.max(a, b), k = Math.min(a, b);
    const sample = randomStream(seed).sampleWithoutReplacement(n, k);
    assert.equal(sample.length, k);
    assert.equal(new Set(sample).size, k);
    assert.ok(sample.every((x) => x < n));
  }));
  assert.throws(() => randomStream(1).sampleWithoutReplacement(3, 4), /between 0 and n = 3 .* k = 4/);
});

Deno.test("sampleWithoutReplacement: every ordered sample equally often", () => {
  const random = randomStream(1, "sample");
  const count = new Map<string, number>();
  for (let i = 0; i < draws; i++) {
    const key = random.sampleWithoutReplacement(4, 2).join();
    count.set(key, (count.get(key) ?? 0) + 1);
  }
  assert.equal(count.size, 12);
  const sd = Math.sqrt(draws * (1 / 12) * (11 / 12));
  for (const [key, times] of count) {
    assert.ok(Math.abs(times - draws / 12) < 5 * sd, `${key}: ${times} times`);
  }
});

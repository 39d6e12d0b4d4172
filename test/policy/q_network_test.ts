/**
 * Q-networks: what they choose beside f64, position by position, and the gradients of what they learn. Why a cascade may choose item
 * by item: with values that are the best of all completions its slate is the best of all slates, and chained targets lead to these
 * values whatever was shown; the common target does not.
 */

import assert from "node:assert/strict";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { randomStream } from "../../src/data/random.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { chooseByPosition } from "../../src/policy/network/choose_slates.ts";
import type { QCounts, QLossBatch } from "../../src/policy/learning/q_loss.ts";
import type { QShape } from "../../src/policy/network/q_network.ts";
import {
  checkLearning,
  type Learned,
  LEARNED_ITEMS,
  madeNetwork,
  runLearning,
} from "../../src/selftest/slates/network_cases.ts";
import { at } from "../../src/tape/reference.ts";
import { padRows } from "../../src/tape/tensor.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { slateBench } from "../../src/selftest/slates/slate_bench.ts";
import { checkInput } from "../../src/selftest/slates/slate_cases.ts";
import { Q64 } from "./q_reference.ts";
import { floats, maskBits, range } from "../../src/selftest/harness.ts";
import type { Gpu } from "../../src/gpu/device.ts";

const shapeOf = (kind: QShape["kind"], slate: number): QShape => ({
  ...{ kind, slate, units: 8, trunk: 8, inputs: 3, itemColumns: 5 },
});

const shapes = [shapeOf("cascade", 3), shapeOf("shared", 3)];

const [R, I] = [70, 37];

/** Slates of 70 rows, of what of 37 items is not taken; or the values of what could follow the beginnings of given slates. */
async function acted(
  gpu: Gpu,
  shape: QShape,
  taken: (row: number, item: number) => boolean,
  given?: readonly (readonly number[])[],
) {
  using bench = slateBench(gpu, { rows: R, items: I });
  const made = madeNetwork(gpu, bench, shape, R, I);
  const { itemVectors, input, x, rows, arena, weights, vectors } = made;
  using network = made.network;
  const bits = maskBits(R, I, taken);
  const masked = { view: bench.upload("masked", bits), stride: R };
  const slates = given
    ? bench.upload("slates", Uint32Array.from(given.flat()))
    : arena.allocate("slates", 4 * R * shape.slate);
  const act = { copy: "online", input, slates, masked, given: given !== undefined } as const;
  const { dispatches, q, stride } = chooseByPosition(network, rows, act);
  const tables = network.makeTables(rows, "online", itemVectors);
  const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
  const views = [slates, q, masked.view];
  const [shown, values, after] = await bench.run([...tables, ...dispatches], views, { reset });
  const found = floats(values);
  return {
    ...{ after, x, q64: new Q64(shape, weights, vectors) },
    slate: (row: number) => Array.from(shown?.subarray(row * shape.slate, (row + 1) * shape.slate) ?? []),
    value: (row: number, j: number) => found[row * stride + j] ?? NaN,
  };
}

const all = range(I);

for (const kind of ["cpu", "gpu"] as const) {
  for (const shape of shapes) {
    Deno.test(`act: the best item of each position, ${shape.kind}, kernels for a ${kind}`, () =>
      withGpu(kind, async (gpu) => {
        const taken = (row: number, item: number) => (item * 5 + row) % 3 === 0 || item === row % 7;
        const { x, q64, slate, value, after } = await acted(gpu, shape, taken);
        for (const row of range(R)) {
          slate(row).forEach((item, j, shown) => {
            const before = shown.slice(0, j);
            const free = all.filter((item) => !taken(row, item) && !before.includes(item));
            assert.ok(free.includes(item), `item ${item} of row ${row}`);
            const own = q64.q(x(row), [...before, item]);
            assert.ok(Math.abs(value(row, j) - own) < 1e-5, `Q of row ${row}, ${j}: ${own}`);
            for (const other of free) {
              const worth = q64.q(x(row), [...before, other]);
              assert.ok(worth < own + 1e-5, `${other} beats ${item} for row ${row}`);
            }
          });
        }
        const expected = maskBits(R, I, (row, item) => taken(row, item) || slate(row).includes(item));
        assert.deepEqual(after?.subarray(0, expected.length), expected);
      }));
  }
}

checkTest(
  "state input: a state that fills its vector, and how far the episode is",
  undefined,
  (gpu, checks) => checkInput(gpu, checks, 4),
);

for (const shape of shapes) {
  Deno.test(`act: the best that could follow the beginning of a given slate, ${shape.kind}`, () =>
    withGpu("cpu", async (gpu) => {
      const taken = (row: number, item: number) => (item + row) % 3 === 0;
      const free = (row: number) => all.filter((item) => !taken(row, item));
      const given = range(R).map((row) => free(row).slice(row % 5, row % 5 + shape.slate));
      const { x, q64, slate, value } = await acted(gpu, shape, taken, given);
      given.forEach((own, row) => {
        assert.deepEqual(slate(row), own, "the slates stay");
        for (let j = 0; j < shape.slate; j++) {
          const before = own.slice(0, j);
          const others = free(row).filter((item) => !before.includes(item));
          const best = Math.max(...others.map((item) => q64.q(x(row), [...before, item])));
          const found = value(row, j);
          assert.ok(Math.abs(found - best) < 1e-5, `row ${row}, ${j}: ${found}, expected ${best}`);
        }
      });
    }));
}

const learned: Readonly<Record<string, Learned>> = {
  "by position": { shape: shapeOf("cascade", 3), counts: "each", count: 70 },
  "by position, several chunks": { shape: shapeOf("cascade", 3), counts: "each", count: 300 },
  "by position, chained, of large errors": {
    ...{ shape: shapeOf("cascade", 3), counts: "each", count: 70, huber: true, chained: true },
  },
  "one net for all positions": { shape: shapeOf("shared", 4), counts: "each", count: 70 },
  "sum of items, which fill their vector": { shape: shapeOf("item", 4), counts: "sum", count: 70 },
  "the outcome": { shape: { ...shapeOf("item", 3), zero: true }, counts: "outcome", count: 70 },
};

for (const [name, own] of Object.entries(learned)) {
  // Their own kernels are the same for both kinds of adapter; those of products have tests of their own.
  for (const kind of own.counts === "outcome" ? ["cpu", "gpu"] as const : ["cpu"] as const) {
    checkTest(
      `learn: values, loss and gradients, ${name}, kernels for a ${kind}`,
      kind,
      (gpu, checks) => checkLearning(gpu, own, checks, 2e-5),
    );
  }

  if (own.count > 70) continue; // the references are the same
  Deno.test(`learn: the references of the ops are the formulas and their slopes, ${name}`, () =>
    withGpu("cpu", async (gpu) => {
      const most = 64 * Math.ceil(own.count / 64);
      using bench = slateBench(gpu, { rows: own.count, items: LEARNED_ITEMS, most });
      const learned = await runLearning(gpu, bench, own);
      const { x, batch, columns, found, q, expected } = learned;
      using network = learned.network;
      const q64 = new Q64(own.shape, learned.weights, learned.vectors);
      const { parameters } = network;
      batch.slates.forEach((slate, row) => {
        for (let j = 0; j < columns; j++) {
          const value = j === slate.length
            ? q64.value(q64.trunk(x(row)), 1)
            : q64.q(x(row), slate.slice(0, j + 1));
          assert.ok(Math.abs(at(expected.q, row, j) - value) < 1e-12, `value ${row}, ${j}`);
        }
        for (let c = columns; c < q.stride; c++) assert.equal(found.q[row * q.stride + c], 0);
      });
      const mean = () => meanLoss(q64, x, batch, { ...own, columns });
      const losses = Array.from({ length: own.count }, (_, r) => at(expected.loss, r, 0));
      const total = losses.reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(mean() * own.count - total) < 1e-9 * total, "the loss");
      const shown = Array.from({ length: own.count }, (_, r) => at(expected.loss, r, 1));
      const sum = shown.reduce((a, b) => a + b, 0);
      assert.ok(Math.abs((found.sums[1] ?? NaN) - sum) < 1e-3, "the sum of values shown");
      for (const { name, rows, columns } of parameters.specs) {
        const raw = await readFloats(gpu, parameters.gradientView(parameters.get(name)));
        const padded = padRows(found.gradients.get(name) ?? assert.fail(), rows, columns, 1);
        assert.deepEqual(raw.subarray(0, padded.length), padded, `padding of ${name} is not zero`);
        const wanted = expected.gradients.get(name) ?? assert.fail(name);
        const largest = wanted.data.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-3);
        const weights = learned.weights.get(name) ?? assert.fail();
        const random = randomStream(1, name);
        for (let trial = 0; trial < 3; trial++) {
          const i = random.integer(rows * columns);
          const [weight, h] = [weights[i] ?? NaN, 1e-5];
          weights[i] = weight + h;
          const up = mean();
          weights[i] = weight - h;
          const slope = (up - mean()) / (2 * h);
          weights[i] = weight;
          const off = Math.abs(slope - (wanted.data[i] ?? NaN));
          assert.ok(off < 2e-3 * largest, `slope of ${name}, ${i}: ${slope}`);
        }
      }
    }));
}

/** The mean of the loss by the formula alone. */
function meanLoss(
  q64: Q64,
  x: (row: number) => number[],
  { slates, wanted, outcome, chained }: QLossBatch,
  { counts, huber, columns }: { counts: QCounts; huber?: boolean; columns: number },
): number {
  const rho = (d: number) => huber && Math.abs(d) > 1 ? 2 * Math.abs(d) - 1 : d * d;
  let sum = 0;
  slates.forEach((slate, row) => {
    const q = Array.from(
      { length: columns },
      (_, j) => j === slate.length ? q64.value(q64.trunk(x(row)), 1) : q64.q(x(row), slate.slice(0, j + 1)),
    );
    const y = wanted[row] ?? NaN;
    if (counts === "sum") sum += rho(q.reduce((a, b) => a + b, 0) - y);
    else if (counts === "outcome") sum += rho((q[outcome[row] ?? NaN] ?? NaN) - y);
    else q.forEach((value, j) => sum += rho(value - (j + 1 < columns ? chained?.[row]?.[j + 1] ?? y : y)));
  });
  return sum / slates.length;
}

const [states, items, k] = [4, 5, 3];

/** All ordered beginnings of slates, of one item up to k. */
function beginnings(): readonly number[][] {
  const all: number[][] = [];
  const grow = (slate: number[]) => {
    for (let item = 0; item < items; item++) {
      if (slate.includes(item)) continue;
      const longer = [...slate, item];
      all.push(longer);
      if (longer.length < k) grow(longer);
    }
  };
  grow([]);
  return all;
}
const begun = beginnings();
const whole = begun.filter((slate) => slate.length === k);
const others = (slate: readonly number[]) => range(items).filter((item) => !slate.includes(item));

type Values = Map<string, number>;
const of = (values: Values, slate: readonly number[]) =>
  values.get(slate.join()) ?? assert.fail(slate.join());

/** The cascade's slate, item by item, and how many values it looked at. */
function cascade(values: Values): { slate: number[]; looked: number } {
  let looked = 0;
  const slate: number[] = [];
  while (slate.length < k) {
    const next = others(slate);
    looked += next.length;
    slate.push(
      next.reduce((best, item) => of(values, [...slate, item]) > of(values, [...slate, best]) ? item : best),
    );
  }
  return { slate, looked };
}

/** For every beginning of a slate the best value of a whole slate that begins so. */
function bestCompletions(q: Values): Values {
  const values: Values = new Map(whole.map((slate) => [slate.join(), of(q, slate)]));
  for (const slate of begun.toSorted((a, b) => b.length - a.length)) {
    if (slate.length === k) continue;
    values.set(slate.join(), Math.max(...others(slate).map((item) => of(values, [...slate, item]))));
  }
  return values;
}

Deno.test("cascade: the best first item, then the best second one, ... are the best slate of all", () => {
  const random = randomStream(1, "cascade");
  for (let draw = 0; draw < 1000; draw++) {
    const q: Values = new Map(whole.map((slate) => [slate.join(), random.normal()]));
    const { slate, looked } = cascade(bestCompletions(q));
    assert.equal(of(q, slate), Math.max(...q.values()));
    assert.equal(looked, k * items - k * (k - 1) / 2);
  }
});

Deno.test("cascade: chained targets reach the best values under random slates, the common target does not", () => {
  const random = randomStream(2, "cascade");
  const gamma = 0.8;
  const rewards = Array.from(
    { length: states },
    () => new Map(whole.map((s) => [s.join(), random.normal()])),
  );
  const next = Array.from(
    { length: states },
    () => new Map(whole.map((s) => [s.join(), random.integer(states)])),
  );
  const bestOf = (values: Values) => of(values, cascade(values).slate);

  // What is best, by value iteration over whole slates.
  let worth = new Array<number>(states).fill(0);
  const q = (state: number, slate: readonly number[]) =>
    of(rewards[state] ?? assert.fail(), slate) +
    gamma * (worth[of(next[state] ?? assert.fail(), slate)] ?? NaN);
  for (let round = 0; round < 100; round++) {
    worth = worth.map((_, state) => Math.max(...whole.map((slate) => q(state, slate))));
  }
  const wanted = worth.map((_, state) => bestCompletions(new Map(whole.map((s) => [s.join(), q(state, s)]))));

  // Tables that learn: every slate is shown equally often, so a table's entry is the mean of its targets.
  const learn = (chained: boolean) => {
    let tables = wanted.map((): Values => new Map(begun.map((slate) => [slate.join(), 0])));
    for (let round = 0; round < 100; round++) {
      const older = tables;
      tables = older.map((own, state): Values => {
        const target = (slate: readonly number[]) =>
          of(rewards[state] ?? assert.fail(), slate) +
          gamma * bestOf(older[of(next[state] ?? assert.fail(), slate)] ?? assert.fail());
        const targets = whole.flatMap((slate) =>
          range(k).map((j) => {
            const first = slate.slice(0, j + 1);
            const best = () => Math.max(...others(first).map((item) => of(own, [...first, item])));
            return { first: first.join(), y: chained && j + 1 < k ? best() : target(slate) };
          })
        );
        const bySlate = Map.groupBy(targets, ({ first }) => first);
        return new Map(Array.from(bySlate, ([first, all]) => [first, meanAndSd(all.map(({ y }) => y)).mean]));
      });
    }
    return tables;
  };
  const off = (tables: readonly Values[]) =>
    Math.max(
      ...tables.flatMap((table, state) =>
        begun.map((s) => Math.abs(of(table, s) - of(wanted[state] ?? assert.fail(), s)))
      ),
    );
  const [chained, common] = [learn(true), learn(false)];
  assert.ok(off(chained) < 1e-3, `chained targets are off by ${off(chained)}`);
  assert.ok(off(common) > 0.5, `the common target is off by no more than ${off(common)}`);
  const lost = common.filter((table, state) => q(state, cascade(table).slate) < (worth[state] ?? NaN) - 0.1);
  assert.ok(lost.length > 0, "the common target chooses the best slates all the same");
});

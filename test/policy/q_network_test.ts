/** Q-networks: what they choose beside f64, position by position, and the gradients of what they learn. */

import assert from "node:assert/strict";
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
import { padRows } from "../../src/tape/layout.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { slateBench } from "../../src/selftest/slates/slate_bench.ts";
import { checkInput } from "../../src/selftest/slates/slate_cases.ts";
import { Q64 } from "./q_reference.ts";
import { floats, maskBits } from "../../src/selftest/harness.ts";

const shapeOf = (kind: QShape["kind"], slate: number): QShape => ({
  ...{ kind, slate, units: 8, trunk: 8, inputs: 3, itemColumns: 5 },
});

const shapes = [shapeOf("cascade", 3), shapeOf("shared", 3)];

for (const kind of ["cpu", "gpu"] as const) {
  for (const shape of shapes) {
    Deno.test(`act: the best item of each position, ${shape.kind}, kernels for a ${kind}`, () =>
      withGpu(kind, async (gpu) => {
        const [R, items] = [70, 37];
        using bench = slateBench(gpu, { rows: R, items });
        const made = madeNetwork(gpu, bench, shape, R, items);
        const { itemVectors, input, x, rows, arena } = made;
        using network = made.network;
        const q64 = new Q64(shape, made.weights, made.vectors);
        const taken = (row: number, item: number) => (item * 5 + row) % 3 === 0 || item === row % 7;
        const bits = maskBits(R, items, taken);
        const masked = { view: bench.upload("masked", bits), stride: R };
        const slates = arena.allocate("slates", 4 * R * shape.slate);
        const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
        const { dispatches, q, stride } = chooseByPosition(network, rows, {
          copy: "online",
          input,
          slates,
          masked,
        });
        const tables = network.makeTables(rows, "online", itemVectors);
        const [shown, values, after] = await bench.run(
          [...tables, ...dispatches],
          [slates, q, masked.view],
          { reset },
        );
        const found = floats(values);
        for (let row = 0; row < R; row++) {
          const slate = Array.from(shown?.subarray(row * shape.slate, (row + 1) * shape.slate) ?? []);
          slate.forEach((item, j) => {
            const before = slate.slice(0, j);
            assert.ok(
              item < items && !taken(row, item) && !before.includes(item),
              `item ${item} of row ${row}`,
            );
            const value = q64.q(x(row), [...before, item]);
            assert.ok(
              Math.abs((found[row * stride + j] ?? NaN) - value) < 1e-5,
              `Q of row ${row}, ${j}: ${value}`,
            );
            for (let other = 0; other < items; other++) {
              if (taken(row, other) || before.includes(other)) continue;
              assert.ok(
                q64.q(x(row), [...before, other]) < value + 1e-5,
                `${other} beats ${item} for row ${row}`,
              );
            }
          });
        }
        const expected = maskBits(
          R,
          items,
          (row, item) =>
            taken(row, item) ||
            (shown ?? new Uint32Array()).slice(row * shape.slate, (row + 1) * shape.slate).includes(item),
        );
        assert.deepEqual(after?.subarray(0, expected.length), expected);
      }));
  }
}

for (const kind of ["cpu", "gpu"] as const) {
  checkTest(
    `state input: the state, and how far the episode is, kernels for a ${kind}`,
    kind,
    async (gpu, checks) => {
      for (const columns of [3, 4]) await checkInput(gpu, checks, columns);
    },
  );
}

for (const shape of shapes) {
  Deno.test(`act: the best that could follow the beginning of a given slate, ${shape.kind}`, () =>
    withGpu("cpu", async (gpu) => {
      const [R, items] = [70, 37];
      using bench = slateBench(gpu, { rows: R, items });
      const made = madeNetwork(gpu, bench, shape, R, items);
      const { itemVectors, input, x, rows } = made;
      using network = made.network;
      const q64 = new Q64(shape, made.weights, made.vectors);
      const taken = (row: number, item: number) => (item + row) % 3 === 0;
      const free = (row: number) => Array.from({ length: items }, (_, i) => i).filter((i) => !taken(row, i));
      const given = Array.from({ length: R }, (_, row) => free(row).slice(row % 5, row % 5 + shape.slate));
      const bits = maskBits(R, items, taken);
      const masked = { view: bench.upload("masked", bits), stride: R };
      const slates = bench.upload("slates", Uint32Array.from(given.flat()));
      const act = { copy: "online", input, slates, masked, given: true } as const;
      const { dispatches, q, stride } = chooseByPosition(network, rows, act);
      const tables = network.makeTables(rows, "online", itemVectors);
      const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
      const [values, after] = await bench.run([...tables, ...dispatches], [q, slates], { reset });
      assert.deepEqual(
        Array.from(after?.subarray(0, R * shape.slate) ?? []),
        given.flat(),
        "the slates stay",
      );
      given.forEach((slate, row) => {
        for (let j = 0; j < shape.slate; j++) {
          const before = slate.slice(0, j);
          const others = free(row).filter((item) => !before.includes(item));
          const best = Math.max(...others.map((item) => q64.q(x(row), [...before, item])));
          const found = floats(values)[row * stride + j] ?? NaN;
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

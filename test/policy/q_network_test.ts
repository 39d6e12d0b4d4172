/**
 * Compares choices per position and gradients of Q-networks with f64. Kernels that choose slates, store pages
 * and clip gradients are tested with more sizes and harder rows than in the self-test. Draws from the replay
 * buffer must be uniform, and a restored buffer must have the same bits.
 */

import assert from "node:assert/strict";
import { checkInput, checkScore } from "../../src/selftest/slates/slate_cases.ts";
import { checkRatio } from "../../src/selftest/slates/slate_ratio_check.ts";
import { createSlateBench } from "../../src/selftest/slates/slate_bench.ts";
import { recordBestSlate } from "../../src/policy/network/best_slate.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { checkClip } from "../../src/selftest/optimiser_cases.ts";
import { dimensions } from "../../src/selftest/optimiser_bench.ts";
import { makeKey } from "../../src/data/philox.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { readFloats, readViews } from "../../src/gpu/readback.ts";
import { countEpisodes, type ReplayState } from "../../src/policy/learning/replay_buffer.ts";
import { listIndices, makeMaskBits, toFloats } from "../../src/selftest/harness.ts";
import {
  checkReplay,
  createEpisode,
  createReplayBench,
  ITEMS,
  listUserPages,
  PAGES,
  SEED,
  SLATE,
  USERS,
} from "../../src/selftest/slates/replay_cases.ts";
import { computeTailProbability } from "../chi_square.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { chooseByPosition } from "../../src/policy/network/choose_slates.ts";
import type { QCounts, QLossBatch } from "../../src/policy/learning/q_loss.ts";
import type { QShape } from "../../src/policy/network/q_network.ts";
import {
  checkLearning,
  createTestNetwork,
  LEARNED_ITEMS,
  type LearnedBatch,
  makeShape,
  runLearning,
} from "../../src/selftest/slates/network_cases.ts";
import { getAt } from "../../src/tape/reference.ts";
import { padRows } from "../../src/tape/tensor.ts";
import { Q64 } from "./q_reference.ts";
import type { Gpu } from "../../src/gpu/device.ts";

const shape = makeShape("cascade", 3);

const [R, I] = [70, 37];

/** Chooses slates for 70 rows from 37 items without `taken`, or evaluates continuations of `given` slates. */
async function chooseSlates(
  gpu: Gpu,
  shape: QShape,
  taken: (row: number, item: number) => boolean,
  given?: readonly (readonly number[])[],
) {
  using bench = createSlateBench(gpu, { rows: R, items: I });
  const made = createTestNetwork(gpu, bench, shape, R, I);
  const { itemVectors, input, x, rows, arena, weights, vectors } = made;
  using network = made.network;
  const bits = makeMaskBits(R, I, taken);
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
  const found = toFloats(values);
  return {
    ...{ after, x, q64: new Q64(shape, weights, vectors) },
    slate: (row: number) => Array.from(shown?.subarray(row * shape.slate, (row + 1) * shape.slate) ?? []),
    value: (row: number, j: number) => found[row * stride + j] ?? NaN,
  };
}

const all = listIndices(I);

for (const kind of ["cpu", "gpu"] as const) {
  Deno.test(`act: the best item of each position, kernels for a ${kind}`, () =>
    withGpu(kind, async (gpu) => {
      const taken = (row: number, item: number) => (item * 5 + row) % 3 === 0 || item === row % 7;
      const { x, q64, slate, value, after } = await chooseSlates(gpu, shape, taken);
      for (const row of listIndices(R)) {
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
      const expected = makeMaskBits(R, I, (row, item) => taken(row, item) || slate(row).includes(item));
      assert.deepEqual(after?.subarray(0, expected.length), expected);
    }));
}

checkTest(
  "state input: how far the episode is, within a vector and behind it",
  undefined,
  async (gpu, checks) => {
    for (const columns of [3, 4]) await checkInput(gpu, checks, columns);
  },
);

Deno.test("act: the best that could follow the beginning of a given slate", () =>
  withGpu("cpu", async (gpu) => {
    const taken = (row: number, item: number) => (item + row) % 3 === 0;
    const free = (row: number) => all.filter((item) => !taken(row, item));
    const given = listIndices(R).map((row) => free(row).slice(row % 5, row % 5 + shape.slate));
    const { x, q64, slate, value } = await chooseSlates(gpu, shape, taken, given);
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

const learned: Readonly<Record<string, LearnedBatch>> = {
  "by position": { shape: makeShape("cascade", 3), counts: "each", count: 70 },
  "by position, several chunks": { shape: makeShape("cascade", 3), counts: "each", count: 300 },
  "by position, chained, of large errors": {
    ...{ shape: makeShape("cascade", 3), counts: "each", count: 70, huber: true, chained: true },
  },
  "sum of items, which fill their vector": { shape: makeShape("item", 4), counts: "sum", count: 70 },
  "the outcome": { shape: { ...makeShape("item", 3), zero: true }, counts: "outcome", count: 70 },
};

for (const [name, own] of Object.entries(learned)) {
  // The op's kernels are the same on both kinds of adapter; products have separate tests.
  for (const kind of own.counts === "outcome" ? ["cpu", "gpu"] as const : ["cpu"] as const) {
    checkTest(
      `learn: values, loss and gradients, ${name}, kernels for a ${kind}`,
      kind,
      (gpu, checks) => checkLearning(gpu, own, checks, 2e-5),
    );
  }

  if (own.count > 70) continue; // larger cases have the same reference
  Deno.test(`learn: the ops' references match the formulas and their slopes, ${name}`, () =>
    withGpu("cpu", async (gpu) => {
      const most = 64 * Math.ceil(own.count / 64);
      using bench = createSlateBench(gpu, { rows: own.count, items: LEARNED_ITEMS, most });
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
          assert.ok(Math.abs(getAt(expected.q, row, j) - value) < 1e-12, `value ${row}, ${j}`);
        }
        for (let c = columns; c < q.stride; c++) assert.equal(found.q[row * q.stride + c], 0);
      });
      const mean = () => meanLoss(q64, x, batch, { ...own, columns });
      const losses = Array.from({ length: own.count }, (_, r) => getAt(expected.loss, r, 0));
      const total = losses.reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(mean() * own.count - total) < 1e-9 * total, "the loss");
      const shown = Array.from({ length: own.count }, (_, r) => getAt(expected.loss, r, 1));
      const sum = shown.reduce((a, b) => a + b, 0);
      assert.ok(Math.abs((found.sums[1] ?? NaN) - sum) < 1e-3, "the sum of values shown");
      for (const { name, rows, columns } of parameters.specs) {
        const raw = await readFloats(gpu, parameters.gradientView(parameters.get(name)));
        const padded = padRows(found.gradients.get(name) ?? assert.fail(), rows, columns, 1);
        assert.deepEqual(raw.subarray(0, padded.length), padded, `padding of ${name} is not zero`);
        const targets = expected.gradients.get(name) ?? assert.fail(name);
        const largest = targets.data.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-3);
        const weights = learned.weights.get(name) ?? assert.fail();
        const random = createRandomStream(1, name);
        for (let trial = 0; trial < 3; trial++) {
          const i = random.integer(rows * columns);
          const [weight, h] = [weights[i] ?? NaN, 1e-5];
          weights[i] = weight + h;
          const up = mean();
          weights[i] = weight - h;
          const slope = (up - mean()) / (2 * h);
          weights[i] = weight;
          const off = Math.abs(slope - (targets.data[i] ?? NaN));
          assert.ok(off < 2e-3 * largest, `slope of ${name}, ${i}: ${slope}`);
        }
      }
    }));
}

function meanLoss(
  q64: Q64,
  x: (row: number) => number[],
  { slates, targets, outcome, chained }: QLossBatch,
  { counts, huber, columns }: { counts: QCounts; huber?: boolean; columns: number },
): number {
  const rho = (d: number) => huber && Math.abs(d) > 1 ? 2 * Math.abs(d) - 1 : d * d;
  let sum = 0;
  slates.forEach((slate, row) => {
    const q = Array.from(
      { length: columns },
      (_, j) => j === slate.length ? q64.value(q64.trunk(x(row)), 1) : q64.q(x(row), slate.slice(0, j + 1)),
    );
    const y = targets[row] ?? NaN;
    if (counts === "sum") sum += rho(q.reduce((a, b) => a + b, 0) - y);
    else if (counts === "outcome") sum += rho((q[outcome[row] ?? NaN] ?? NaN) - y);
    else q.forEach((value, j) => sum += rho(value - (j + 1 < columns ? chained?.[row]?.[j + 1] ?? y : y)));
  });
  return sum / slates.length;
}

for (const [kind, units] of [["cpu", 64], ["cpu", 20], ["gpu", 20]] as const) {
  const name = `slate_score: the best of each panel is that of f64, ${units} units, kernels for a ${kind}`;
  checkTest(name, kind, async (gpu, checks) => {
    for (const items of [1, 31, 33, 500]) {
      await checkScore(gpu, checks, { rows: items === 500 ? 131 : 5, items, units, exact: true });
    }
  });
}

for (const slate of [1, 2, 3, 4]) {
  for (const utility of slate === 2 ? [false, true] : [false]) {
    checkTest(
      `slate_ratio: the best of all slates of ${slate}${utility ? ", a click is worth its utility" : ""}`,
      undefined,
      (gpu, checks) =>
        checkRatio(gpu, checks, { rows: 500, slate, utility, hard: true, tolerance: 2 ** -20 }),
    );
  }
}

checkTest("slate_ratio: of equal items the lowest are chosen", undefined, async (gpu, checks) => {
  using bench = createSlateBench(gpu, { rows: 1, items: 4 }, checks);
  const { arena, rows, upload } = bench;
  const [slates, masked] = [arena.allocate("slates", 8), arena.allocate("masked", 4)];
  const spec = recordBestSlate(rows, {
    ...{ label: "ratio", slate: 2, eta: 1, worthOf: "utility", slates, worth: arena.allocate("worth", 4) },
    utilities: upload("u", Float32Array.of(1, 1, 1, 2)),
    masked: { view: masked, stride: 1 },
  });
  const reset = () => gpu.queue.writeBuffer(masked.buffer, masked.offset, Uint32Array.of(0xfffffff0));
  const [shown] = await bench.run([spec], [slates], { reset });
  checks.same(shown, [3, 0], { kernels: ["slate_ratio"], what: "the slate" });
});

const clipped = [
  { name: "kernel", rows: 150, columns: 33, decays: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "table", rows: 61, columns: 5, table: true },
];

for (const rows of [1, 700]) {
  const chunks = dimensions.countChunks({ rows, events: 1, items: 1 });
  for (const scale of [1e-3, 2]) {
    checkTest(
      `gradient_clip: a gradient ${scale > 1 ? "longer" : "shorter"} than the bound, ${chunks} chunks`,
      undefined,
      (gpu, checks) => checkClip(gpu, checks, { specs: clipped, rows, scale, most: 10 }),
    );
  }
}

checkTest(
  "replay: masks of a drawn page are the clicks before, but for repeats",
  undefined,
  (gpu, checks) => checkReplay(gpu, checks, true),
);

const RING = 4;

Deno.test("replay: after 2.5 rounds of the ring, draws are uniform over finished, not overwritten episodes", () =>
  withGpu(undefined, async (gpu) => {
    using arena = new Arena(gpu, "replay test");
    const rows = 4096;
    const { sample, push, draw } = await createReplayBench(arena, { rows, episodes: RING });
    const whole = listIndices(10).map(createEpisode);
    const begun = createEpisode(whole.length);
    const shown = [...whole, { ...begun, pages: begun.pages.slice(0, PAGES - 1) }];
    shown.forEach(push);
    const valid = listUserPages(shown).filter(({ episode }) => episode > whole.length - RING);
    const keyOfPage = (slot: number, page: number, user: number) => (slot * PAGES + page) * USERS + user;
    const hits = new Map(valid.map(({ episode, page, user }) => [keyOfPage(episode % RING, page, user), 0]));
    assert.equal(hits.size, valid.length);
    const rounds = 60;
    for (let round = 0; round < rounds; round++) {
      draw(round);
      const [drawn] = await readViews(gpu, [sample.drawn]);
      for (let b = 0; b < rows; b++) {
        const key = keyOfPage(drawn?.[4 * b] ?? NaN, drawn?.[4 * b + 1] ?? NaN, drawn?.[4 * b + 2] ?? NaN);
        const before = hits.get(key) ?? assert.fail(`round ${round}, row ${b}: page ${key} is none`);
        hits.set(key, before + 1);
      }
    }
    const expected = rounds * rows / valid.length;
    const chi2 = [...hits.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    const p = computeTailProbability(chi2, valid.length - 1);
    assert.ok(p > 1e-4 && p < 1 - 1e-4, `chi-square ${chi2} of ${valid.length - 1}: p ${p}`);
  }));

Deno.test("replay: a restored and resumed buffer has the same bits; a damaged one is refused", () =>
  withGpu(undefined, async (gpu) => {
    const rings = [];
    for (const name of ["whole", "resumed"]) {
      const arena = new Arena(gpu, name);
      rings.push({ arena, ...await createReplayBench(arena, { episodes: RING }) });
    }
    const [whole = assert.fail(), resumed = assert.fail()] = rings;
    for (let episode = 0; episode < 6; episode++) whole.push(createEpisode(episode), episode);
    const state = await whole.replay.state();
    resumed.replay.restore(state, ITEMS, "it");
    for (let episode = 6 - RING; episode < 6; episode++) resumed.sample.begin(episode, makeKey(SEED));
    const held = [];
    for (const { replay, sample, push, draw } of rings) {
      for (let episode = 6; episode < 8; episode++) push(createEpisode(episode), episode);
      draw();
      const views = [sample.inputs, sample.outcome, sample.drawn, sample.maskBefore, replay.states];
      held.push(await readViews(gpu, views));
    }
    assert.deepEqual(held[1], held[0]);

    const damaged = (name: keyof ReplayState, at: number, word: number) => {
      const words = state[name].slice();
      words[at] = word;
      return () => resumed.replay.restore({ ...state, [name]: words }, ITEMS, "p.safetensors");
    };
    assert.throws(damaged("shown", 5, ITEMS), /p\.safetensors: .* expected items below 45, found 45/);
    assert.throws(damaged("lengths", 2, PAGES + 1), /at most 3 pages per episode, found 4/);
    assert.throws(damaged("happened", 4, SLATE + 1), /slots up to 2, found 3/);
    assert.throws(damaged("states", 4, 0x7fc00000), /finite states, found NaN/);
    assert.throws(
      () => resumed.replay.restore({ ...state, states: state.states.slice(1) }, ITEMS, "it"),
      /bytes of states/,
    );
    for (const { arena } of rings) arena.destroy();
  }));

Deno.test("replay: the ring has room for the requested pages and the current episode", () => {
  assert.equal(countEpisodes(20000, { users: 128, pages: 20 }), 9);
  assert.equal(countEpisodes(1, { users: 4096, pages: 20 }), 2);
});

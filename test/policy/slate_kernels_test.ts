/**
 * The kernels that choose slates and remember pages, and the bound on a gradient's length, as the self-test checks them, at more
 * sizes and on harder rows; how evenly is drawn of the ring of remembered episodes, and that it is put back to the bit.
 */

import assert from "node:assert/strict";
import { checkScore } from "../../src/selftest/slates/slate_cases.ts";
import { checkRatio } from "../../src/selftest/slates/slate_ratio_check.ts";
import { slateBench } from "../../src/selftest/slates/slate_bench.ts";
import { bestSlate } from "../../src/policy/network/slate_ratio.ts";
import { checkTest, withGpu } from "../op_check.ts";
import { checkClip } from "../../src/selftest/optimiser_cases.ts";
import { dimensions } from "../../src/selftest/optimiser_bench.ts";
import { keyOf } from "../../src/data/philox.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { readViews } from "../../src/gpu/readback.ts";
import { episodesFor, type ReplayState } from "../../src/policy/learning/replay.ts";
import { range } from "../../src/selftest/harness.ts";
import {
  checkReplay,
  episodeOf,
  ITEMS,
  PAGES,
  pagesSeen,
  replayBench,
  SEED,
  SLATE,
  USERS,
} from "../../src/selftest/slates/replay_cases.ts";
import { chanceOf } from "../chi_square.ts";

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
  using bench = slateBench(gpu, { rows: 1, items: 4 }, checks);
  const { arena, rows, upload } = bench;
  const [slates, masked] = [arena.allocate("slates", 8), arena.allocate("masked", 4)];
  const spec = bestSlate(rows, {
    ...{ label: "ratio", slate: 2, eta: 1, worthOf: "utility", slates, worth: arena.allocate("worth", 4) },
    utilities: upload("u", Float32Array.of(1, 1, 1, 2)),
    masked: { view: masked, stride: 1 },
  });
  const reset = () => gpu.queue.writeBuffer(masked.buffer, masked.offset, Uint32Array.of(0xfffffff0));
  const [shown] = await bench.run([spec], [slates], { reset });
  checks.same(shown, [3, 0], { kernels: ["slate_ratio"], what: "the slate" });
});

const specs = [
  { name: "kernel", rows: 150, columns: 33, decays: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "table", rows: 61, columns: 5, table: true },
];

for (const rows of [1, 700]) {
  const chunks = dimensions.chunks({ rows, events: 1, items: 1 });
  for (const scale of [1e-3, 2]) {
    checkTest(
      `gradient_clip: a gradient ${scale > 1 ? "longer" : "shorter"} than the bound, ${chunks} chunks`,
      undefined,
      (gpu, checks) => checkClip(gpu, checks, { specs, rows, scale, most: 10 }),
    );
  }
}

checkTest(
  "replay: masks of a drawn page are the clicks before, but for repeats",
  undefined,
  (gpu, checks) => checkReplay(gpu, checks, true),
);

const RING = 4;

Deno.test("replay: pages are drawn evenly after 2.5 rounds of the ring, none stale, none unfinished", () =>
  withGpu(undefined, async (gpu) => {
    using arena = new Arena(gpu, "replay test");
    const rows = 4096;
    const { recall, remember, draw } = await replayBench(arena, { rows, episodes: RING });
    const whole = range(10).map(episodeOf);
    const begun = episodeOf(whole.length);
    const shown = [...whole, { ...begun, pages: begun.pages.slice(0, PAGES - 1) }];
    shown.forEach(remember);
    const valid = pagesSeen(shown).filter(({ episode }) => episode > whole.length - RING);
    const keyOfPage = (slot: number, page: number, user: number) => (slot * PAGES + page) * USERS + user;
    const hits = new Map(valid.map(({ episode, page, user }) => [keyOfPage(episode % RING, page, user), 0]));
    assert.equal(hits.size, valid.length);
    const rounds = 60;
    for (let round = 0; round < rounds; round++) {
      draw(round);
      const [drawn] = await readViews(gpu, [recall.drawn]);
      for (let b = 0; b < rows; b++) {
        const key = keyOfPage(drawn?.[4 * b] ?? NaN, drawn?.[4 * b + 1] ?? NaN, drawn?.[4 * b + 2] ?? NaN);
        const before = hits.get(key) ?? assert.fail(`round ${round}, row ${b}: page ${key} is none`);
        hits.set(key, before + 1);
      }
    }
    const expected = rounds * rows / valid.length;
    const chi2 = [...hits.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    const p = chanceOf(chi2, valid.length - 1);
    assert.ok(p > 1e-4 && p < 1 - 1e-4, `chi-square ${chi2} of ${valid.length - 1}: p ${p}`);
  }));

Deno.test("replay: read, put back and gone on with, it holds the same bits; damaged, it is refused", () =>
  withGpu(undefined, async (gpu) => {
    const rings = [];
    for (const name of ["whole", "resumed"]) {
      const arena = new Arena(gpu, name);
      rings.push({ arena, ...await replayBench(arena, { episodes: RING }) });
    }
    const [whole = assert.fail(), resumed = assert.fail()] = rings;
    for (let episode = 0; episode < 6; episode++) whole.remember(episodeOf(episode), episode);
    const state = await whole.replay.state();
    resumed.replay.restore(state, ITEMS, "it");
    // What users had begun with is known by the numbers of their episodes.
    for (let episode = 6 - RING; episode < 6; episode++) resumed.recall.begin(episode, keyOf(SEED));
    const held = [];
    for (const { replay, recall, remember, draw } of rings) {
      for (let episode = 6; episode < 8; episode++) remember(episodeOf(episode), episode);
      draw();
      const views = [recall.inputs, recall.outcome, recall.drawn, recall.maskBefore, replay.states];
      held.push(await readViews(gpu, views));
    }
    assert.deepEqual(held[1], held[0]);

    const damaged = (name: keyof ReplayState, at: number, word: number) => {
      const words = state[name].slice();
      words[at] = word;
      return () => resumed.replay.restore({ ...state, [name]: words }, ITEMS, "p.safetensors");
    };
    assert.throws(damaged("shown", 5, ITEMS), /p\.safetensors: .* expected items below 45, found 45/);
    assert.throws(damaged("lengths", 2, PAGES + 1), /at most 3 pages an episode, found 4/);
    assert.throws(damaged("happened", 4, SLATE + 1), /slots up to 2, found 3/);
    assert.throws(damaged("states", 4, 0x7fc00000), /finite states, found NaN/);
    assert.throws(
      () => resumed.replay.restore({ ...state, states: state.states.slice(1) }, ITEMS, "it"),
      /bytes of states/,
    );
    for (const { arena } of rings) arena.destroy();
  }));

Deno.test("replay: the ring holds the pages that are asked for, and the episode under way", () => {
  assert.equal(episodesFor(20000, { users: 128, pages: 20 }), 9);
  assert.equal(episodesFor(1, { users: 4096, pages: 20 }), 2);
});

/** The ring of remembered episodes: what it holds, what is drawn of it, and how evenly. */

import assert from "node:assert/strict";
import { keyOf, philox, purposes } from "../../src/data/philox.ts";
import { randomStream } from "../../src/data/random.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { Commands } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { Program } from "../../src/gpu/program.ts";
import { readViews } from "../../src/gpu/readback.ts";
import { Dimensions } from "../../src/gpu/sizes.ts";
import { StepHeaders } from "../../src/gpu/step.ts";
import { lastPanelLeftOut, Recall } from "../../src/policy/learning/recall.ts";
import { episodesFor, Replay, type ReplayState } from "../../src/policy/learning/replay.ts";
import { startOf } from "../../src/simulate/start.ts";
import type { Tensor } from "../../src/tape/tensor.ts";
import { checked } from "../../src/selftest/harness.ts";
import { CanaryArena, withGpu } from "../op_check.ts";

type Rows = Readonly<Record<"rows", number>>;
const dimensions = new Dimensions<Rows>(["rows"], "rows");

const [USERS, PAGES, SLATE, ITEMS, COLUMNS, EPISODES, BATCH] = [70, 5, 3, 67, 6, 4, 4096];
const STRIDE = 8;
const SEED = 12345;
/** What users have clicked before an episode. */
const START = [[], [66, 3, 40], [31, 32, 3], [64]];

/** A page as a user saw it. */
interface Seen {
  readonly episode: number;
  readonly page: number;
  readonly user: number;
  readonly before: number[];
  readonly after: number[];
  readonly slate: number[];
  readonly slot: number;
  readonly reward: number;
  readonly left: boolean;
  readonly clickedBefore: ReadonlySet<number>;
}

interface Shown {
  readonly slates: Uint32Array<ArrayBuffer>;
  readonly outcomes: Float32Array<ArrayBuffer>;
  readonly alive: Uint32Array<ArrayBuffer>;
}

/** Users that are shown random slates. With `leave` they leave after a page with this probability. */
class MadeUp {
  readonly seen: Seen[] = [];
  readonly #random = randomStream(5, "replay");
  #here: boolean[] = [];
  #clicked: Set<number>[] = [];

  constructor(readonly leave: number) {}

  begin(episode: number): void {
    this.#here = new Array(USERS).fill(true);
    this.#clicked = Array.from(
      { length: USERS },
      (_, user) => new Set(Array.from(startOf(START, user, episode, keyOf(SEED)))),
    );
  }

  /** A number that says whose state it is, and when. */
  state(episode: number, page: number): Float32Array<ArrayBuffer> {
    const states = new Float32Array(USERS * STRIDE);
    for (let u = 0; u < USERS; u++) {
      for (let c = 0; c < COLUMNS; c++) states[u * STRIDE + c] = 1000 * episode + 100 * page + u + c / 8;
    }
    return states;
  }

  page(
    episode: number,
    page: number,
  ): Shown {
    const slates = new Uint32Array(USERS * SLATE);
    const outcomes = new Float32Array(USERS * 4);
    const [before, after] = [this.state(episode, page), this.state(episode, page + 1)];
    for (let user = 0; user < USERS; user++) {
      const clicked = this.#clicked[user] ?? assert.fail();
      const free = Array.from({ length: ITEMS }, (_, item) => item).filter((item) => !clicked.has(item));
      const picks = this.#random.sampleWithoutReplacement(free.length, SLATE);
      const slate = Array.from(picks, (k) => free[k] ?? 0);
      slates.set(slate, user * SLATE);
      if (!this.#here[user]) continue;
      const slot = Math.floor(this.#random.uniform() * (SLATE + 1));
      const reward = slot < SLATE ? this.#random.normal() : 0;
      const left = this.#random.uniform() < this.leave;
      outcomes.set([slot, reward, 0.5, 1], 4 * user);
      const states = (all: Float32Array) => Array.from(all.subarray(user * STRIDE, user * STRIDE + COLUMNS));
      this.seen.push({
        ...{ episode, page, user, slate, slot, left, before: states(before), after: states(after) },
        reward: Math.fround(reward),
        clickedBefore: new Set(clicked),
      });
      if (slot < SLATE) clicked.add(slate[slot] ?? 0);
      if (left) this.#here[user] = false;
    }
    return { slates, outcomes, alive: Uint32Array.from(this.#here, Number) };
  }
}

interface Ring<A extends Arena = Arena> {
  readonly arena: A;
  readonly replay: Replay;
  readonly recall: Recall;
  /** Shows pages up to this one of an episode. */
  show(users: MadeUp, episode: number, pages: number): void;
  /** Draws a batch. */
  draw(iteration: number): void;
}

async function ring<A extends Arena>(gpu: Gpu, arena: A, repeats = false): Promise<Ring<A>> {
  const size = { users: USERS, pages: PAGES, slate: SLATE, stateStride: STRIDE, episodes: EPISODES };
  const replay = new Replay(arena, size);
  // A buffer is made of zeros; that of the test is not.
  gpu.queue.writeBuffer(replay.starts.buffer, 0, new Uint32Array(EPISODES * (USERS + 1)));
  const options = { rows: BATCH, items: ITEMS, stateColumns: COLUMNS, repeats, start: START };
  const recall = new Recall(arena, replay, options);
  const [state, slates, outcomes, alive] = [
    arena.allocate("state", 4 * USERS * STRIDE),
    arena.allocate("slates", 4 * USERS * SLATE),
    arena.allocate("outcomes", 16 * PAGES * USERS),
    arena.allocate("alive", 4 * USERS),
  ];
  const tensor: Tensor = {
    ...{ name: "state", rows: USERS, columns: COLUMNS, groups: 1, stride: STRIDE, view: state },
    trainable: false,
  };
  const seen = { state: tensor, slates, outcomes, alive };
  const headers = new StepHeaders(arena, dimensions, 1);
  const record = (name: string, specs: Parameters<typeof Program.record>[3]) =>
    Program.record(gpu, name, headers.buffer, specs);
  const [begin, remember, draw] = [
    await record("begin", replay.begin(seen)),
    await record("remember", replay.remember(seen)),
    await record("draw", recall.dispatches()),
  ];
  const run = (program: Program, rows: number, page: number, episode: number, iteration = 0) => {
    const batch = { sizes: { rows }, counted: 1, first: 0 };
    const of = { page, episode, firstUser: 0 };
    headers.put(0, batch, { slot: 0, learningRate: 0, iteration, noise: SEED, page: of });
    headers.upload(0, 1);
    const commands = new Commands(gpu, "test");
    program.encode(commands, batch.sizes, 0);
    gpu.queue.submit([commands.finish()]);
  };
  return {
    ...{ arena, replay, recall },
    show(users, episode, pages) {
      users.begin(episode);
      recall.begin(episode, keyOf(SEED));
      gpu.queue.writeBuffer(state.buffer, 0, users.state(episode, 0));
      run(begin, USERS, 0, episode);
      for (let page = 0; page < pages; page++) {
        const of = users.page(episode, page);
        gpu.queue.writeBuffer(state.buffer, 0, users.state(episode, page + 1));
        gpu.queue.writeBuffer(slates.buffer, 0, of.slates);
        gpu.queue.writeBuffer(outcomes.buffer, 16 * USERS * page, of.outcomes);
        gpu.queue.writeBuffer(alive.buffer, 0, of.alive);
        run(remember, USERS, page, episode);
      }
    },
    draw: (iteration) => run(draw, BATCH, 0, 0, iteration),
  };
}

/** Whole episodes that were shown, and pages of the one after them. */
const [WHOLE, BEGUN] = [10, 3];

function showAll({ show }: Ring, users: MadeUp): Seen[] {
  for (let episode = 0; episode < WHOLE; episode++) show(users, episode, PAGES);
  show(users, WHOLE, BEGUN);
  return users.seen.filter(({ episode }) => episode > WHOLE - EPISODES);
}

/** Of a chi-square figure, by Wilson and Hilferty's cube root: standard normal, far beyond what a test needs. */
const standardised = (chi2: number, df: number) =>
  (Math.cbrt(chi2 / df) - (1 - 2 / (9 * df))) / Math.sqrt(2 / (9 * df));

for (const leave of [0, 0.3]) {
  Deno.test(`replay: pages are drawn evenly after 2.5 rounds, none stale, none unfinished; users leave by ${leave}`, () =>
    withGpu(undefined, async (gpu) => {
      const made = await ring(gpu, new CanaryArena(gpu, "replay test"));
      const valid = showAll(made, new MadeUp(leave));
      if (leave === 0) assert.equal(valid.length, USERS * (PAGES * (EPISODES - 1) + BEGUN));
      const keyOfPage = (slot: number, page: number, user: number) => (slot * PAGES + page) * USERS + user;
      const hits = new Map(
        valid.map(({ episode, page, user }) => [keyOfPage(episode % EPISODES, page, user), 0]),
      );
      assert.equal(hits.size, valid.length);
      const rounds = 245;
      for (let round = 0; round < rounds; round++) {
        made.draw(round);
        const [drawn] = await readViews(gpu, [made.recall.drawn]);
        for (let b = 0; b < BATCH; b++) {
          const key = keyOfPage(drawn?.[4 * b] ?? NaN, drawn?.[4 * b + 1] ?? NaN, drawn?.[4 * b + 2] ?? NaN);
          const before = hits.get(key) ?? assert.fail(`round ${round}, row ${b}: page ${key} is none`);
          hits.set(key, before + 1);
        }
      }
      const expected = rounds * BATCH / valid.length;
      const chi2 = [...hits.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
      const z = standardised(chi2, valid.length - 1);
      assert.ok(Math.abs(z) < 3.7, `chi-square ${chi2} of ${valid.length - 1}: ${z} standard deviations`);
      await checked(undefined, (checks) => made.arena.check(checks, []));
      made.arena.destroy();
    }));
}

/** Words of a mask of row b. */
function maskOf(words: Uint32Array, b: number): Set<number> {
  const set = new Set<number>();
  for (let item = 0; item < 32 * Math.ceil(ITEMS / 32); item++) {
    if (((words[(item >> 5) * BATCH + b] ?? 0) >>> (item & 31)) & 1) set.add(item);
  }
  return set;
}

for (const repeats of [false, true]) {
  Deno.test(`replay: a drawn page is what was seen, to the bit; its masks are the clicks before${repeats ? ", but for repeats" : ""}`, () =>
    withGpu(undefined, async (gpu) => {
      const made = await ring(gpu, new CanaryArena(gpu, "replay test"), repeats);
      const valid = showAll(made, new MadeUp(0.1));
      made.draw(7);
      const { recall } = made;
      const views = [
        recall.drawn,
        recall.before,
        recall.after,
        recall.maskBefore,
        recall.maskAfter,
        recall.slates,
      ];
      const [drawn, before, after, maskBefore, maskAfter, slates, outcome] = await readViews(gpu, [
        ...views,
        recall.outcome,
      ]);
      if (!drawn || !before || !after || !maskBefore || !maskAfter || !slates || !outcome) assert.fail();
      const floats = (words: Uint32Array<ArrayBuffer>) => new Float32Array(words.buffer);
      const key = (slot: number, page: number, user: number) => [slot, page, user].join();
      const byPlace = new Map(
        valid.map((seen) => [key(seen.episode % EPISODES, seen.page, seen.user), seen]),
      );
      const past = Array.from({ length: 96 - ITEMS }, (_, k) => ITEMS + k);
      let [left, clicked] = [0, 0];
      for (let b = 0; b < BATCH; b++) {
        const [slot = NaN, page = NaN, user = NaN]: number[] = Array.from(drawn.subarray(4 * b, 4 * b + 3));
        const seen = byPlace.get(key(slot, page, user)) ?? assert.fail();
        // The host's Philox says which one.
        const [word] = philox([b, 7, 0, purposes.REPLAY], keyOf(SEED));
        const number = Number(BigInt(word) * BigInt(valid.length) >> 32n);
        assert.equal(key(slot, page, user), orderOf(valid)[number], `row ${b}`);
        const input = (of: Uint32Array<ArrayBuffer>) =>
          Array.from(floats(of).subarray(b * STRIDE, (b + 1) * STRIDE));
        assert.deepEqual(input(before), [...seen.before, Math.fround(page / PAGES), 0]);
        assert.deepEqual(input(after), [...seen.after, Math.fround((page + 1) / PAGES), 0]);
        assert.deepEqual(Array.from(slates.subarray(b * SLATE, (b + 1) * SLATE)), seen.slate);
        const result: number[] = Array.from(floats(outcome).subarray(4 * b, 4 * b + 4));
        assert.deepEqual(result, [seen.slot, seen.reward, seen.left ? 0 : 1, page]);
        const expected = repeats ? [] : [...seen.clickedBefore];
        assert.deepEqual(maskOf(maskBefore, b), new Set([...expected, ...past].sort((a, b) => a - b)));
        const own = seen.slot < SLATE && !repeats ? [seen.slate[seen.slot] ?? 0] : [];
        assert.deepEqual(maskOf(maskAfter, b), new Set([...expected, ...own, ...past].sort((a, b) => a - b)));
        if (seen.left) left++;
        if (seen.slot < SLATE && page === PAGES - 1) clicked++;
      }
      assert.ok(left > 50 && clicked > 50, "the case is weak");
      await checked(undefined, (checks) => made.arena.check(checks, []));
      made.arena.destroy();
    }));
}

const orders = new WeakMap<readonly Seen[], string[]>();
/** Pages as they are numbered: by the episode's place, then by user, then by page. */
function orderOf(valid: readonly Seen[]): string[] {
  let order = orders.get(valid);
  if (!order) {
    const places = valid.map(({ episode, page, user }) => [episode % EPISODES, user, page] as const);
    places.sort(([a, u, t], [b, v, s]) => a - b || u - v || t - s);
    order = places.map(([slot, user, page]) => [slot, page, user].join());
    orders.set(valid, order);
  }
  return order;
}

Deno.test("replay: read, put back and gone on with, it holds the same bits; damaged, it is refused", () =>
  withGpu(undefined, async (gpu) => {
    const whole = await ring(gpu, new Arena(gpu, "whole"));
    const users = new MadeUp(0.1);
    for (let episode = 0; episode < 6; episode++) whole.show(users, episode, PAGES);
    const state = await whole.replay.state();
    const resumed = await ring(gpu, new Arena(gpu, "resumed"));
    const again = new MadeUp(0.1);
    for (let episode = 0; episode < 6; episode++) {
      again.begin(episode);
      for (let page = 0; page < PAGES; page++) again.page(episode, page);
    }
    resumed.replay.restore(state, ITEMS, "it");
    for (let episode = 6; episode < 13; episode++) {
      whole.show(users, episode, PAGES);
      resumed.show(again, episode, PAGES);
    }
    whole.draw(3);
    resumed.draw(3);
    const views = ({ recall, replay }: Ring) => [recall.inputs, recall.outcome, recall.drawn, replay.states];
    assert.deepEqual(await readViews(gpu, views(whole)), await readViews(gpu, views(resumed)));

    const damaged = (name: keyof ReplayState, at: number, word: number) => {
      const words = state[name].slice();
      words[at] = word;
      return () => resumed.replay.restore({ ...state, [name]: words }, ITEMS, "p.safetensors");
    };
    assert.throws(damaged("shown", 5, ITEMS), /p\.safetensors: .* expected items below 67, found 67/);
    assert.throws(damaged("lengths", 2, PAGES + 1), /at most 5 pages an episode, found 6/);
    assert.throws(damaged("happened", 4, SLATE + 1), /slots up to 3, found 4/);
    assert.throws(damaged("states", 4, 0x7fc00000), /finite states, found NaN/);
    assert.throws(
      () => resumed.replay.restore({ ...state, states: state.states.slice(1) }, ITEMS, "it"),
      /bytes of states/,
    );
    for (const { arena } of [whole, resumed]) arena.destroy();
  }));

Deno.test("replay: the ring holds the pages that are asked for, and the episode under way", () => {
  assert.equal(episodesFor(20000, { users: 128, pages: 20 }), 9);
  assert.equal(episodesFor(1, { users: 4096, pages: 20 }), 2);
  assert.deepEqual(lastPanelLeftOut(64), new Uint32Array(2));
  assert.deepEqual(lastPanelLeftOut(33), Uint32Array.of(0, 0xfffffffe));
});

/** Kernels that remember pages of simulated users, draw some again, and say what their values are to become. */

import { keyOf, mulhi, philox, purposes } from "../data/philox.ts";
import { randomStream } from "../data/random.ts";
import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { type DispatchSpec, Program } from "../gpu/program.ts";
import { readViews } from "../gpu/readback.ts";
import { Dimensions } from "../gpu/sizes.ts";
import { StepHeaders } from "../gpu/step.ts";
import { Recall } from "../policy/learning/recall.ts";
import { LEFT, Replay } from "../policy/learning/replay.ts";
import { pageReward, qTarget } from "../policy/learning/targets.ts";
import { plain } from "../simulate/plain.ts";
import { CanaryArena } from "./canary_arena.ts";
import type { Checking, Checks } from "./finding.ts";
import { floats, range } from "./words.ts";

type Rows = Readonly<Record<"rows", number>>;
const dimensions = new Dimensions<Rows>(["rows"], "rows");

const [USERS, PAGES, SLATE, ITEMS, STRIDE, EPISODES, BATCH] = [70, 3, 2, 45, 4, 2, 128];
/** Of a state, without padding: the column behind them is how far the episode is. */
const COLUMNS = 3;
const SEED = 12345;

/** A page as users saw it. */
interface Seen {
  readonly states: Float32Array<ArrayBuffer>;
  readonly slates: Uint32Array<ArrayBuffer>;
  /** [U] slot or k, and the reward. */
  readonly slots: readonly number[];
  readonly rewards: Float32Array<ArrayBuffer>;
  readonly alive: Uint32Array<ArrayBuffer>;
}

/** The pages of an episode: some users leave after their first page, some after the second. */
function episodeOf(episode: number): { start: Float32Array<ArrayBuffer>; pages: Seen[] } {
  const random = randomStream(9, "replay", episode);
  const states = () =>
    Float32Array.from({ length: USERS * STRIDE }, (_, k) => (k % STRIDE < COLUMNS ? random.normal() : 0));
  const here = new Array<boolean>(USERS).fill(true);
  return {
    start: states(),
    pages: range(PAGES).map(() => {
      const slots = range(USERS).map(() => random.integer(SLATE + 1));
      range(USERS).forEach((u) => here[u] = (here[u] ?? false) && random.uniform() > 0.3);
      return {
        states: states(),
        slates: Uint32Array.from({ length: USERS * SLATE }, () => random.integer(ITEMS)),
        slots,
        rewards: Float32Array.from(slots, (slot) => (slot < SLATE ? random.normal() : 0)),
        alive: Uint32Array.from(here, Number),
      };
    }),
  };
}

async function checkReplay(gpu: Gpu, checks: Checks): Promise<void> {
  const arena = new CanaryArena(gpu, "replay");
  try {
    const size = { users: USERS, pages: PAGES, slate: SLATE, stateStride: STRIDE, episodes: EPISODES };
    const replay = new Replay(arena, size);
    const recall = new Recall(arena, replay, {
      rows: BATCH,
      items: ITEMS,
      stateColumns: COLUMNS,
      repeats: false,
    });
    const [state, slates, outcomes, alive] = [
      arena.allocate("state", 4 * USERS * STRIDE),
      arena.allocate("slates", 4 * USERS * SLATE),
      arena.allocate("outcomes", 16 * PAGES * USERS),
      arena.allocate("alive", 4 * USERS),
    ];
    const seen = { state: plain("state", USERS, COLUMNS, STRIDE, state), slates, outcomes, alive };
    const headers = new StepHeaders(arena, dimensions, 1);
    const record = (name: string, specs: readonly DispatchSpec[]) =>
      Program.record<Rows>(gpu, name, headers.buffer, specs);
    const programs = {
      begin: await record("begin", replay.begin(seen)),
      remember: await record("remember", replay.remember(seen)),
      draw: await record("draw", recall.dispatches()),
    };
    const run = (program: Program<Rows>, rows: number, page: number, episode: number, iteration = 0) => {
      const batch = { sizes: { rows }, counted: 1, first: 0 };
      const purpose = {
        slot: 0,
        learningRate: 0,
        iteration,
        noise: SEED,
        page: { page, episode, firstUser: 0 },
      };
      headers.put(0, batch, purpose);
      headers.upload(0, 1);
      const commands = new Commands(gpu, "replay");
      program.encode(commands, batch.sizes, 0);
      gpu.queue.submit([commands.finish()]);
    };
    const { queue } = gpu;
    const all = range(EPISODES).map(episodeOf);
    all.forEach(({ start, pages }, episode) => {
      queue.writeBuffer(state.buffer, 0, start);
      run(programs.begin, USERS, 0, episode);
      pages.forEach((page, t) => {
        queue.writeBuffer(state.buffer, 0, page.states);
        queue.writeBuffer(slates.buffer, 0, page.slates);
        const outcome = page.slots.flatMap((slot, u) => [slot, page.rewards[u] ?? NaN, 0.5, 1]);
        queue.writeBuffer(outcomes.buffer, 16 * USERS * t, Float32Array.from(outcome));
        queue.writeBuffer(alive.buffer, 0, page.alive);
        run(programs.remember, USERS, t, episode);
      });
    });
    run(programs.draw, BATCH, 0, 0, 7);

    // Who left sees no further pages.
    const lengths = all.map(({ pages }) =>
      range(USERS).map((u) => {
        const left = pages.findIndex(({ alive }) => alive[u] === 0);
        return left < 0 ? PAGES : left + 1;
      })
    );
    const { states, shown, happened, lengths: lengthsView, starts } = replay;
    const held = await readViews(gpu, [states, shown, happened, lengthsView, starts]);
    const remember = { kernels: ["remember"] };
    const allStates = all.flatMap(({ start, pages }) => [start, ...pages.map((page) => page.states)]);
    checks.same(floats(held[0]), allStates.flatMap((one) => Array.from(one)), {
      ...remember,
      what: "states",
      columns: STRIDE,
    });
    const allPages = all.flatMap(({ pages }) => pages);
    checks.same(held[1], allPages.flatMap(({ slates }) => Array.from(slates)), {
      ...remember,
      what: "slates",
      columns: SLATE,
    });
    const bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0] ?? NaN;
    const what = allPages.flatMap(({ slots, rewards, alive }) =>
      slots.flatMap((slot, u) => [(slot | (alive[u] ? 0 : LEFT)) >>> 0, bits(rewards[u] ?? NaN)])
    );
    checks.same(held[2], what, { ...remember, what: "what happened (slot, bits of the reward)", columns: 2 });
    checks.same(held[3], lengths.flat(), { ...remember, what: "pages of users", columns: USERS });
    const sums = lengths.flatMap((own) => {
      const starts = [0];
      for (const length of own) starts.push((starts.at(-1) ?? NaN) + length);
      return starts;
    });
    checks.same(held[4], sums, {
      kernels: ["replay_starts"],
      what: "first pages of users",
      columns: USERS + 1,
    });

    // Pages in the order of episode, user, page; a draw is a number of one.
    const order = lengths.flatMap((own, episode) =>
      own.flatMap((length, user) => range(length).map((page) => ({ episode, user, page })))
    );
    const drawn = range(BATCH).map((b) => {
      const [word] = philox([b, 7, 0, purposes.REPLAY], keyOf(SEED));
      return order[mulhi(word, order.length)] ?? { episode: NaN, user: NaN, page: NaN };
    });
    const views = [
      recall.drawn,
      recall.before,
      recall.after,
      recall.maskBefore,
      recall.maskAfter,
      recall.slates,
      recall.outcome,
    ];
    const [draws, before, after, maskBefore, maskAfter, found, outcome] = await readViews(gpu, views);
    const numbers = drawn.flatMap(({ episode, user, page }) => [episode, page, user, 0]);
    checks.same(draws, numbers, {
      kernels: ["replay_draw"],
      what: "drawn pages (episode, page, user)",
      columns: 4,
    });
    const inputs = (more: number) =>
      drawn.flatMap(({ episode, user, page }) => {
        const of = allStates[episode * (PAGES + 1) + page + more];
        return [...of?.subarray(user * STRIDE, user * STRIDE + COLUMNS) ?? [], (page + more) / PAGES];
      });
    const by = { kernels: ["recall"], tolerance: 2e-7 };
    checks.numbers(floats(before), inputs(0), { ...by, what: "states before the pages", columns: STRIDE });
    checks.numbers(floats(after), inputs(1), { ...by, what: "states after the pages", columns: STRIDE });
    const pageOf = ({ episode, page }: { episode: number; page: number }) => allPages[episode * PAGES + page];
    const slateOf = (at: typeof drawn[number]) =>
      Array.from(pageOf(at)?.slates.subarray(at.user * SLATE, (at.user + 1) * SLATE) ?? []);
    checks.same(found, drawn.flatMap(slateOf), { ...by, what: "slates", columns: SLATE });
    const wanted = drawn.flatMap((at) => {
      const page = pageOf(at);
      return [
        page?.slots[at.user] ?? NaN,
        page?.rewards[at.user] ?? NaN,
        page?.alive[at.user] ?? NaN,
        at.page,
      ];
    });
    checks.same(floats(outcome), wanted, { ...by, what: "outcomes", columns: 4 });
    /** What was clicked before so many pages, and what is no item: a word a panel and row. */
    const masks = (more: number) =>
      range(Math.ceil(ITEMS / 32)).flatMap((panel) =>
        drawn.map(({ episode, user, page }) => {
          const clicked = range(page + more).flatMap((t) => {
            const slot = pageOf({ episode, page: t })?.slots[user] ?? SLATE;
            return slot < SLATE ? [slateOf({ episode, user, page: t })[slot] ?? NaN] : [];
          });
          let word = 0;
          for (let bit = 0; bit < 32; bit++) {
            const item = 32 * panel + bit;
            if (item >= ITEMS || clicked.includes(item)) word |= 1 << bit;
          }
          return word >>> 0;
        })
      );
    const masked = { kernels: ["recall_masks"], columns: BATCH };
    checks.same(maskBefore, masks(0), { ...masked, what: "what could not be shown" });
    checks.same(maskAfter, masks(1), { ...masked, what: "what can not be shown after" });
    await arena.check(checks, ["remember", "replay_starts", "replay_draw", "recall", "recall_masks"]);
  } finally {
    arena.destroy();
  }
}

async function checkTargets(gpu: Gpu, checks: Checks): Promise<void> {
  const arena = new CanaryArena(gpu, "targets");
  try {
    const random = randomStream(4, "targets");
    const outcomes = range(BATCH).map((b) => [b % 3, random.normal(), b % 5 === 0 ? 0 : 1, b % PAGES]);
    const next = range(BATCH * 4).map(() => random.normal());
    const config = { rows: BATCH, pages: PAGES, users: BATCH, discount: 0.9, bootstrapAtEnd: false };
    const headers = new StepHeaders(arena, dimensions, 1);
    const batch = { sizes: { rows: BATCH }, counted: 1, first: 0 };
    headers.put(0, batch, { slot: 1, learningRate: 0, iteration: 0 });
    headers.upload(0, 1);
    const outcome = arena.upload("outcome", Float32Array.from(outcomes.flat()));
    const [wanted, ring] = [arena.allocate("wanted", 4 * BATCH), arena.allocate("ring", 64)];
    const nextView = { view: arena.upload("next", Float32Array.from(next)), stride: 4, first: 1, count: 2 };
    const program = await Program.record<Rows>(gpu, "targets", headers.buffer, [
      qTarget(config, { outcome, next: nextView, wanted }),
      pageReward(config, { outcome, ring }),
    ]);
    const commands = new Commands(gpu, "targets");
    program.encode(commands, batch.sizes, 0);
    gpu.queue.submit([commands.finish()]);
    const [found, sums] = await readViews(gpu, [wanted, ring]);
    const expected = outcomes.map(([, reward = NaN, stays, page = NaN], b) => {
      const follows = stays === 1 && page + 1 < PAGES;
      return reward + (follows ? 0.9 * ((next[4 * b + 1] ?? NaN) + (next[4 * b + 2] ?? NaN)) : 0);
    });
    checks.numbers(floats(found), expected, {
      kernels: ["q_target"],
      what: "wanted values",
      tolerance: 2e-6,
    });
    // The last number of an outcome says who was there; here it is a page's number, which adds up as well.
    const sum = (k: number) => outcomes.reduce((total, outcome) => total + (outcome[k] ?? NaN), 0);
    const slot = floats(sums).subarray(4, 8);
    const by = { kernels: ["page_reward"], what: "sums of rewards and users", tolerance: 2 ** -18 * BATCH };
    checks.numbers(slot, [0, 0, sum(1), sum(3)], by);
    await arena.check(checks, ["q_target", "page_reward"]);
  } finally {
    arena.destroy();
  }
}

export const replayCases: readonly Checking[] = [
  { name: "replay: pages are remembered and drawn", check: checkReplay },
  { name: "replay: what values are to become", check: checkTargets },
];

/** Kernels of simulated pages: what may be shown, what is shown, who clicks, and how users move on. */

import { NONE } from "../data/click_log.ts";
import { shopItems } from "../data/demo_shop.ts";
import { keyOf, mulhi, philox, purposes, slotOf, uniform24 } from "../data/philox.ts";
import { randomStream } from "../data/random.ts";
import { featuresOf } from "../data/shops/items.ts";
import { restless } from "../data/shops/restless.ts";
import { nextState, type ShopState, shopUtility } from "../data/shops/truth.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import { clickLists, lstmStep, pushClick, takeRows } from "../simulate/carried.ts";
import { choose, logViews } from "../simulate/choose.ts";
import { choose as chooseOnHost } from "../simulate/host/choice.ts";
import { topSlate as topOnHost } from "../simulate/host/top_slate.ts";
import { fill, pageMask } from "../simulate/masks.ts";
import type { Page } from "../simulate/page.ts";
import { plain } from "../simulate/plain.ts";
import { inRandomPool, poolOf } from "../simulate/pool.ts";
import { ShopSource } from "../simulate/shop_users.ts";
import { popularSlate, randomSlate, topSlate } from "../simulate/slates.ts";
import { Starts } from "../simulate/start.ts";
import type { Checking, Checks } from "./finding.ts";
import { bitOf, CheckedPage, randomBits } from "./page_bench.ts";

const key = keyOf(1);
const range = (n: number) => Array.from({ length: n }, (_, k) => k);
const floats = (words: Uint32Array<ArrayBuffer> | undefined) =>
  new Float32Array(words?.buffer ?? new ArrayBuffer(0));

type Check = (checked: CheckedPage, checks: Checks) => Promise<void>;

function bitsOf(page: Page, set: (user: number, item: number) => boolean): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(page.panels * page.users);
  for (let u = 0; u < page.users; u++) {
    for (let item = 0; item < 32 * page.panels; item++) {
      if (!set(u, item)) continue;
      const at = (item >>> 5) * page.users + u;
      bits[at] = ((bits[at] ?? 0) | (1 << (item & 31))) >>> 0;
    }
  }
  return bits;
}

const checkMask: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const pool = poolOf({ random: 9 }, items);
  const clicked = randomBits(page.panels * users, 0.2);
  checked.write(page.clicked, clicked);
  const at = { firstUser: 7, episode: 3 };
  const [masked] = await checked.run([pageMask(page, pool, false)], [page.masked], at);
  const free = range(users).map((u) => {
    const shown = range(items).filter((item) => !bitOf(clicked, users, u, item));
    const pooled = shown.filter((item) =>
      inRandomPool(pool, { user: 7 + u, episode: 3, page: 0, item }, key)
    );
    return new Set(pooled.length < slate ? shown : pooled);
  });
  const expected = bitsOf(page, (u, item) => !free[u]?.has(item));
  checks.same(masked, expected, { kernels: ["page_mask"], what: "what may not be shown" });
};

const checkFill: Check = async (checked, checks) => {
  const { page } = checked;
  const [words] = await checked.run([fill("fill", page.clicked, page.panels, 77)], [page.clicked]);
  const expected = new Uint32Array(page.panels * page.users).fill(77);
  checks.same(words, expected, { kernels: ["fill"], what: "words" });
};

/** Logits whose draws lie far from a bound: nearer ones fall on either side by rounding. */
const NEAR = 1e-5;

const checkChoose: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, slate, pages } = page;
  const random = randomStream(5, "choose");
  // Some far from zero, so that one of the exponentials would overflow.
  const scaleOf = (user: number) => (user % 7 === 0 ? 60 : 2);
  const u = Float32Array.from(
    { length: users * slate },
    (_, r) => scaleOf(Math.floor(r / slate)) * random.normal(),
  );
  const shown = Uint32Array.from(
    { length: users * slate },
    (_, r) => (Math.floor(r / slate) + 11 * (r % slate)) % page.items,
  );
  checked.write(page.slates, shown);
  const view = checked.arena.upload("utilities", u);
  const effects = Float32Array.of(0.7, -0.4);
  const place = { ...plain("place", 1, 2, 4, checked.arena.upload("place", effects)) };
  const log = logViews(page);
  const set = () => {
    checked.write(page.alive, new Uint32Array(users).fill(1));
    checked.write(page.clicked, new Uint32Array(page.panels * users));
  };
  const rules = { reward: "utility", leave: 0.3, patience: 3 } as const;
  const dispatch = choose(
    page,
    { eta: 1.5, placeEffects: place },
    plain("u", "rows", 1, 1, view),
    log,
    rules,
  );
  const views = [log.outcomes, page.alive, page.clicked, log.slates];
  const [words, alive, clicked, logged] = await checked.run([dispatch], views, {
    set,
    firstUser: 100,
    episode: 2,
  });
  const found = floats(words);
  const outcomes: number[] = [];
  const states = new Array<number>(users).fill(1);
  const clicks = range(users).map(() => new Set<number>());
  for (let t = 0; t < pages; t++) {
    for (let user = 0; user < users; user++) {
      const state = states[user] ?? 0;
      if (state === 0) {
        outcomes.push(0, 0, 0, 0);
        continue;
      }
      const z = range(slate).map((j) =>
        1.5 * ((u[user * slate + j] ?? NaN) + (j > 0 ? effects[Math.min(j, 2) - 1] ?? NaN : 0))
      );
      const draw = (purpose: number) => uniform24(philox([100 + user, 2, t, purpose], key)[0]);
      const own = chooseOnHost(z, draw(purposes.CHOICE));
      // Near a bound the host follows the device.
      const slot = own.margin < NEAR ? found[4 * (t * users + user)] ?? NaN : own.slot;
      const none = slot === slate;
      outcomes.push(slot, none ? 0 : u[user * slate + slot] ?? NaN, own.clickChance, 1);
      const leaves = none && (draw(purposes.LEAVE) < rules.leave || state === rules.patience);
      states[user] = leaves ? 0 : none ? state + 1 : 1;
      if (!none) clicks[user]?.add(shown[user * slate + slot] ?? NaN);
    }
  }
  const kernels = ["choose"];
  // Slots and rewards are exact; chances are near 1 at most, of exponentials of up to 100.
  const tolerance = (k: number) => (k % 4 === 2 ? 2e-5 : 0);
  checks.numbers(found, outcomes, {
    kernels,
    what: "outcomes (slot, reward, P(click), there)",
    tolerance,
    columns: 4,
  });
  checks.same(alive, states, { kernels, what: "who is there" });
  checks.same(clicked, bitsOf(page, (user, item) => clicks[user]?.has(item) ?? false), {
    kernels,
    what: "clicked",
  });
  checks.same(logged, range(pages).flatMap(() => Array.from(shown)), { kernels, what: "log of slates" });
};

/** Bits of items that may not be shown, of which enough are left. */
function someMasked({ users, items, slate, panels }: Page): Uint32Array<ArrayBuffer> {
  const bits = randomBits(panels * users, 0.6, 3);
  for (let u = 0; u < users; u++) {
    for (let item = items; item < 32 * panels; item++) {
      const at = (item >>> 5) * users + u;
      bits[at] = ((bits[at] ?? 0) | (1 << (item & 31))) >>> 0;
    }
    for (let j = 0; j < slate; j++) {
      const item = (u + 7 * j) % items;
      const at = (item >>> 5) * users + u;
      bits[at] = ((bits[at] ?? 0) & ~(1 << (item & 31))) >>> 0;
    }
  }
  return bits;
}

/** Slates that a kernel picks of what is free, and the bits of what it picked. */
async function compareSlates(
  checked: CheckedPage,
  checks: Checks,
  kernels: readonly string[],
  dispatch: Parameters<CheckedPage["run"]>[0][number],
  wanted: (user: number, free: readonly number[], masked: Uint8Array) => readonly number[],
): Promise<void> {
  const { page } = checked;
  const { users, items } = page;
  const bits = someMasked(page);
  const set = () => checked.write(page.masked, bits);
  const [slates, masked] = await checked.run([dispatch], [page.slates, page.masked], { set });
  const expected = range(users).map((u) => {
    const taken = Uint8Array.from({ length: items }, (_, item) => (bitOf(bits, users, u, item) ? 1 : 0));
    return wanted(u, range(items).filter((item) => taken[item] === 0), taken);
  });
  checks.same(slates, expected.flat(), { kernels, what: "slates", columns: page.slate });
  const after = bitsOf(
    page,
    (u, item) => bitOf(bits, users, u, item) || (expected[u]?.includes(item) ?? false),
  );
  checks.same(masked, after, { kernels, what: "what may not be shown" });
}

const checkRandom: Check = (checked, checks) => {
  const { items, slate } = checked.page;
  return compareSlates(checked, checks, ["random_slate"], randomSlate(checked.page), (u, free) => {
    const left = new Set(free);
    return range(slate).map((j) => {
      const words = philox([u, 0, 0, slotOf(purposes.SLATE, j)], key);
      const tried = words.slice(0, 3).map((word) => mulhi(word, items)).find((item) => left.has(item));
      const item = tried ?? [...left].sort((a, b) => a - b)[mulhi(words[3], left.size)] ?? NaN;
      left.delete(item);
      return item;
    });
  });
};

const checkTop: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const random = randomStream(2, "scores");
  // Whole numbers, so that some are equal.
  const chunk = Math.ceil(users / 3);
  const scores = Float32Array.from({ length: chunk * items }, () => Math.round(6 * random.normal()));
  const top = { chunk, rows: items, dispatches: [topSlate(page, checked.arena.upload("scores", scores))] };
  await compareSlates(checked, checks, ["top_slate"], top, (u, _, masked) => {
    const own = scores.subarray((u % chunk) * items, (u % chunk + 1) * items);
    return topOnHost(own, slate, masked);
  });
  const order = range(items).map((item) => (7 * item + 3) % items);
  if (new Set(order).size < items) throw new Error("expected an order of all items");
  const popular = popularSlate(page, checked.arena.upload("order", Uint32Array.from(order)));
  await compareSlates(
    checked,
    checks,
    ["popular_slate"],
    popular,
    (_u, _free, masked) => order.filter((item) => masked[item] === 0).slice(0, slate),
  );
};

const checkShop: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const values = shopItems(3, items);
  const environment = new ShopSource(restless, values).users(page);
  const random = randomStream(4, "shop");
  const states = range(users).map((): ShopState => ({
    m1: 2 * random.normal(),
    m2: random.normal(),
    p: random.uniform(),
  }));
  const clicks = range(users).map((u) => (u % 4 === 0 ? NONE : random.integer(items)));
  const shown = Uint32Array.from({ length: users * slate }, () => random.integer(items));
  checked.write(page.slates, shown);
  checked.write(page.event, Uint32Array.from(clicks.flatMap((item) => [0, 0, 0, item])));
  const state = bufferOf(environment.state.view);
  const set = () =>
    checked.write(state, Float32Array.from(states.flatMap(({ m1, m2, p }) => [m1, m2, p, 0])));
  const { dispatches, utilities } = environment.utilities();
  const views = [bufferOf(utilities.view), state];
  const [u, moved] = await checked.run([...dispatches, ...environment.step()], views, { set });
  const wanted = Float64Array.from(shown, (item, r) => {
    const own = states[Math.floor(r / slate)];
    return own ? shopUtility(restless, own, featuresOf(values, item)) : NaN;
  });
  checks.numbers(floats(u), wanted, {
    kernels: ["shop_utility"],
    what: "utilities",
    tolerance: 2e-5,
    columns: slate,
  });
  const after = states.flatMap((before, user) => {
    const item = clicks[user] ?? NONE;
    const { m1, m2, p } = item === NONE ? before : nextState(before, featuresOf(values, item));
    return [m1, m2, p, 0];
  });
  checks.numbers(floats(moved), after, {
    kernels: ["shop_step"],
    what: "states",
    tolerance: 2e-6,
    columns: 4,
  });
};

const checkFeed: Check = async (checked, checks) => {
  const { page } = checked;
  const { users } = page;
  const histories = [[], [3], [33, 39]];
  const starts = new Starts(page, histories);
  starts.put(users, 5, 1, key);
  const set = () => checked.write(page.clicked, new Uint32Array(page.panels * users));
  const [event, clicked] = await checked.run([starts.feed()], [page.event, page.clicked], { set });
  const own = range(users).map((u) =>
    histories[Math.floor(philox([5 + u, 1, 0, purposes.START], key)[0] / 2 ** 32 * 3)] ?? []
  );
  const kernels = ["feed_click"];
  // The last of two places.
  const events = own.flatMap((items, u) => [u * page.slate, (u + 1) * page.slate, NONE, items[1] ?? NONE]);
  checks.same(event, events, { kernels, what: "events", columns: 4 });
  const bits = bitsOf(page, (u, item) => own[u]?.includes(item) ?? false);
  checks.same(clicked, bits, { kernels, what: "clicked" });
};

/** What each user clicked, some nothing. */
function someClicks({ users, items }: Page): number[] {
  return range(users).map((u) => (u % 3 === 0 ? NONE : (5 * u) % items));
}

function writeClicks(checked: CheckedPage, clicks: readonly number[]): void {
  const { slate, event } = checked.page;
  checked.write(
    event,
    Uint32Array.from(clicks.flatMap((item, u) => [u * slate, (u + 1) * slate, NONE, item])),
  );
}

const checkPush: Check = async (checked, checks) => {
  const { page } = checked;
  const lists = clickLists(page, checked.arena);
  const clicks = someClicks(page);
  writeClicks(checked, clicks);
  const most = page.startClicks + page.pages;
  const set = () => checked.write(lists.history, new Uint32Array(2 * page.users));
  const [history, list] = await checked.run([pushClick(page, lists)], [lists.history, lists.clicks], { set });
  // A click on each page.
  const counts = clicks.map((item) => (item === NONE ? 0 : page.pages));
  const kernels = ["push_click"];
  const expected = counts.flatMap((count, u) => [count, count === 0 ? 0 : u * most + count]);
  checks.same(history, expected, { kernels, what: "clicks so far", columns: 2 });
  const found = clicks.flatMap((item, u) =>
    range(counts[u] ?? 0).map((k) => ({ item, got: list?.[4 * (u * most + k) + 3] ?? NaN }))
  );
  checks.same(found.map(({ got }) => got), found.map(({ item }) => item), { kernels, what: "items clicked" });
};

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const checkStep: Check = async (checked, checks) => {
  const { page, arena } = checked;
  const { users, items } = page;
  const H = 8;
  const random = randomStream(6, "lstm step");
  const draw = (length: number) => Float32Array.from({ length }, () => random.normal());
  const [input, product, h, c] = [draw(items * 4 * H), draw(users * 4 * H), draw(users * H), draw(users * H)];
  const clicks = someClicks(page);
  writeClicks(checked, clicks);
  const [state, cell] = [arena.allocate("state", 4 * users * H), arena.allocate("cell", 4 * users * H)];
  const tensor = (name: string, columns: number, view: View) => plain(name, "events", columns, columns, view);
  const step = lstmStep(page, {
    input: tensor("input", 4 * H, arena.upload("input", input)),
    product: tensor("product", 4 * H, arena.upload("product", product)),
    state: tensor("state", H, state),
    cell,
  });
  const set = () => {
    checked.write(state, h);
    checked.write(cell, c);
  };
  // On the first page alone: the checked page has one.
  const [newH, newC] = await checked.run([step], [state, cell], { set });
  const wanted = range(users * H).map((at) => {
    const [u, n] = [Math.floor(at / H), at % H];
    const item = clicks[u] ?? NONE;
    if (item === NONE) return { h: h[at] ?? NaN, c: c[at] ?? NaN };
    const gate = (k: number) =>
      (input[item * 4 * H + k * H + n] ?? NaN) + (product[u * 4 * H + k * H + n] ?? NaN);
    const next = sigmoid(gate(2) + 1) * (c[at] ?? NaN) + sigmoid(gate(0)) * Math.tanh(gate(1));
    return { h: sigmoid(gate(3)) * Math.tanh(next), c: next };
  });
  const by = { kernels: ["lstm_step"], tolerance: 1e-5, columns: H };
  checks.numbers(floats(newC), wanted.map(({ c }) => c), { ...by, what: "cells" });
  checks.numbers(floats(newH), wanted.map(({ h }) => h), { ...by, what: "states" });
};

const checkTake: Check = async (checked, checks) => {
  const { page, arena } = checked;
  const { users } = page;
  const [N, chunk] = [8, Math.ceil(users / 3)];
  const random = randomStream(6, "rows");
  const all = Float32Array.from({ length: users * N }, () => random.normal());
  const output = arena.allocate("some rows", 4 * chunk * N);
  const take = takeRows(plain("rows", "events", N, N, arena.upload("rows", all)), output);
  const [found] = await checked.run([{ chunk, rows: 1, dispatches: [take] }], [output]);
  // What stands there at the end is of the last chunk.
  const first = chunk * (Math.ceil(users / chunk) - 1);
  checks.same(floats(found), all.subarray(first * N), {
    kernels: ["take_rows"],
    what: "rows of the last chunk",
    columns: N,
  });
};

interface PageCase {
  readonly name: string;
  readonly check: Check;
  readonly pages?: number;
  readonly startClicks?: number;
}

const all: readonly PageCase[] = [
  { name: "page: what may be shown", check: checkMask },
  { name: "page: fill", check: checkFill },
  { name: "page: choose", check: checkChoose, pages: 6 },
  { name: "page: random slates", check: checkRandom },
  { name: "page: best and popular slates", check: checkTop },
  { name: "page: users of a shop", check: checkShop },
  { name: "page: what users start with", check: checkFeed, pages: 2, startClicks: 2 },
  { name: "page: lists of clicks", check: checkPush, pages: 2 },
  { name: "page: a step of an LSTM", check: checkStep },
  { name: "page: rows of some users", check: checkTake },
];

/** More users than a workgroup, more items than a panel. */
const ROOM = { users: 70, items: 45, slate: 3 };

export const pageCases: readonly Checking[] = all.map(
  ({ name, check, pages = 1, startClicks = 0 }) => ({
    name,
    check: async (gpu, checks) => {
      const checked = new CheckedPage(gpu, { ...ROOM, pages, startClicks }, checks);
      try {
        await check(checked, checks);
      } finally {
        checked.destroy();
      }
    },
  }),
);

/** Self-test cases of kernels that start and update simulated users. */

import { NONE } from "../../data/click_log.ts";
import { drawShopItems } from "../../data/demo_shop.ts";
import { computePhilox, purposes } from "../../data/philox.ts";
import { createRandomStream } from "../../data/random.ts";
import type { ShopState, ShopTruth } from "../../data/shops.ts";
import { advanceShopState, computeShopUtility, getItemFeatures, restless } from "../../data/shops.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import {
  copyState,
  createClickLists,
  createStoredState,
  passOver,
  pushClick,
  recordLstmStep,
  takeRows,
} from "../../simulate/recurrent_state.ts";
import { fill } from "../../simulate/pool.ts";
import { countPassWords, type PageBuffers } from "../../simulate/page_buffers.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import { ShopSource } from "../../simulate/shop_users.ts";
import { StartClicks } from "../../simulate/start.ts";
import { type CheckedPage, createPageCase, key, makePageBits, type PageCheck } from "./page_bench.ts";
import type { NamedCheck } from "../finding.ts";
import { listIndices, toFloats } from "../harness.ts";
import { applySigmoid } from "../../tape/reference.ts";

/** Checks simulated users of a shop. @param tolerance - allowed error of utilities; of states, a tenth */
export const checkShop = (shop: ShopTruth, tolerance: number): PageCheck => async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const values = drawShopItems(3, items);
  const environment = new ShopSource(shop, values).users(page);
  const random = createRandomStream(4, "shop");
  const states = listIndices(users).map((): ShopState => ({
    m1: 2 * random.normal(),
    m2: random.normal(),
    p: random.uniform(),
  }));
  const clicks = listIndices(users).map((u) => (u % 4 === 0 ? NONE : random.integer(items)));
  const shown = Uint32Array.from({ length: users * slate }, () => random.integer(items));
  checked.write(page.slates, shown);
  checked.write(page.event, Uint32Array.from(clicks.flatMap((item) => [0, 0, 0, item])));
  const state = asBufferView(environment.state.view);
  const set = () =>
    checked.write(state, Float32Array.from(states.flatMap(({ m1, m2, p }) => [m1, m2, p, 0])));
  const truth = (user: number, item: number) => {
    const own = states[user];
    return own ? computeShopUtility(shop, own, getItemFeatures(values, item)) : NaN;
  };
  const { dispatches, utilities } = environment.utilities();
  const views = [asBufferView(utilities.view), state];
  const [u, moved] = await checked.run([...dispatches, ...environment.step()], views, { set });
  const wanted = Array.from(shown, (item, r) => truth(Math.floor(r / slate), item));
  const by = { kernels: ["shop_utility"], tolerance };
  checks.numbers(toFloats(u), wanted, { ...by, what: "utilities", columns: slate });
  const after = states.flatMap((before, user) => {
    const item = clicks[user] ?? NONE;
    const { m1, m2, p } = item === NONE ? before : advanceShopState(before, getItemFeatures(values, item));
    return [m1, m2, p, 0];
  });
  const what = { what: "states", columns: 4 };
  checks.numbers(toFloats(moved), after, { kernels: ["shop_step"], tolerance: tolerance / 10, ...what });
  // Utilities of all items are computed in chunks of users. At the end the buffer has the last chunk.
  const all = environment.catalogue();
  const chunk = Math.min(20, all.users);
  const part = { chunk, rows: items, dispatches: all.dispatches };
  const [whole] = await checked.run([part], [all.utilities], { set });
  const first = chunk * (Math.ceil(users / chunk) - 1);
  const last = listIndices(users - first).flatMap((k) =>
    listIndices(items).map((item) => truth(first + k, item))
  );
  checks.numbers(toFloats(whole), last, { ...by, what: "utilities of all items", columns: items });
  const dirty = () => checked.write(state, new Float32Array(4 * users).fill(7));
  const [reset] = await checked.run(environment.reset(), [state], { set: dirty });
  checks.same(toFloats(reset), new Float32Array(4 * users), {
    kernels: ["fill"],
    what: "states of new users",
  });
};

const checkFeed: PageCheck = async (checked, checks) => {
  const { page } = checked;
  const { users } = page;
  const histories = [[], [3], [33, 39]];
  const starts = new StartClicks(page, histories);
  starts.put(users, 5, 1, key);
  const set = () => checked.write(page.clicked, new Uint32Array(page.panels * users));
  const [event, clicked] = await checked.run([starts.feed()], [page.event, page.clicked], { set });
  const own = listIndices(users).map((u) =>
    histories[Math.floor(computePhilox([5 + u, 1, 0, purposes.START], key)[0] / 2 ** 32 * 3)] ?? []
  );
  const kernels = ["feed_click"];
  // The second of the two start clicks is processed last, so `event` has its item at the end.
  const events = own.flatMap((items, u) => [u * page.slate, (u + 1) * page.slate, NONE, items[1] ?? NONE]);
  checks.same(event, events, { kernels, what: "events", columns: 4 });
  const bits = makePageBits(page, (u, item) => own[u]?.includes(item) ?? false);
  checks.same(clicked, bits, { kernels, what: "clicked" });
};

/** Returns the item that each user clicked, or NONE. */
function listSomeClicks({ users, items }: PageBuffers): number[] {
  return listIndices(users).map((u) => (u % 3 === 0 ? NONE : (5 * u) % items));
}

function writeClicks(checked: CheckedPage, clicks: readonly number[]): void {
  const { slate, event } = checked.page;
  checked.write(
    event,
    Uint32Array.from(clicks.flatMap((item, u) => [u * slate, (u + 1) * slate, NONE, item])),
  );
}

const checkPush: PageCheck = async (checked, checks) => {
  const { page } = checked;
  const lists = createClickLists(page, checked.arena);
  const clicks = listSomeClicks(page);
  writeClicks(checked, clicks);
  const most = lists.capacity;
  const set = () => checked.write(lists.history, new Uint32Array(2 * page.users));
  const [history, list] = await checked.run([pushClick(page, lists)], [lists.history, lists.clicks], { set });
  // A user clicks the same item on every page, or never clicks.
  const counts = clicks.map((item) => (item === NONE ? 0 : page.pages));
  const kernels = ["push_click"];
  const expected = counts.flatMap((count, u) => [count, count === 0 ? 0 : u * most + count]);
  checks.same(history, expected, { kernels, what: "clicks so far", columns: 2 });
  const found = clicks.flatMap((item, u) =>
    listIndices(counts[u] ?? 0).map((k) => ({ item, got: list?.[4 * (u * most + k) + 3] ?? NaN }))
  );
  checks.same(found.map(({ got }) => got), found.map(({ item }) => item), { kernels, what: "items clicked" });
};

const checkPassed: PageCheck = async (checked, checks) => {
  const { page } = checked;
  const { users, slate, items, pages } = page;
  const words = countPassWords(page);
  const passed = checked.arena.allocate("passed over", 4 * words * users);
  const shown = (u: number, j: number) => (7 * u + 3 * j) % items;
  // A third of the users click nothing. Each other user clicks one item of the slate.
  const slot = (u: number) => u % 3 === 0 ? NONE : u % slate;
  checked.write(
    page.slates,
    Uint32Array.from({ length: users * slate }, (_, r) => shown(Math.floor(r / slate), r % slate)),
  );
  const events = listIndices(users).flatMap((u) => {
    const [first, own] = [u * slate, slot(u)];
    return [first, first + slate, ...(own === NONE ? [NONE, NONE] : [first + own, shown(u, own)])];
  });
  checked.write(page.event, Uint32Array.from(events));
  // Items were displayed 0 to 15 times before. 15 is the largest number that fits 4 bits.
  const before = (u: number, item: number) => (u + item) % 16;
  const packed = (of: (u: number, item: number) => number, shownPages: number) =>
    Uint32Array.from({ length: words * users }, (_, w) => {
      const [u, first] = [w % users, 8 * Math.floor(w / users)];
      if (w >= (words - 1) * users) {
        return 5 * 2 ** 16 + 7 + shownPages * (slot(u) === NONE ? 1 : 2 ** 16 + 1);
      }
      return listIndices(8).reduce((sum, k) => sum + (first + k < items ? of(u, first + k) * 16 ** k : 0), 0);
    });
  const set = () => checked.write(passed, packed(before, 0));
  const [after] = await checked.run([passOver(page, passed)], [passed], { set });
  const seen = (u: number, item: number) =>
    listIndices(slate).filter((j) => j !== slot(u) && shown(u, j) === item).length;
  const expected = packed((u, item) => Math.min(15, before(u, item) + pages * seen(u, item)), pages);
  checks.same(after, expected, { kernels: ["pass_over"], what: "numbers of displays", columns: 1 });
};

const checkStoredState: PageCheck = async (checked, checks) => {
  const { page, arena } = checked;
  const { users } = page;
  const [lags, S, stride] = [5, 4, 16]; // state and time take 8 numbers, the clicks 6
  const lists = createClickLists(page, arena, 7);
  const { capacity: room } = lists;
  const random = createRandomStream(6, "kept");
  const values = Float32Array.from({ length: users * S }, () => random.normal());
  const view = arena.allocate("encoded", 4 * users * S);
  const kept = createStoredState(page, arena, {
    encoded: makePlainTensor("encoded", "events", S, S, view),
    lists,
    lags,
  });
  const clicks = listIndices(users).map((u) =>
    listIndices(u % (room + 1)).map((k) => (7 * u + 3 * k) % page.items)
  );
  const entries = (of: (u: number, k: number) => number | undefined) =>
    listIndices(users * room).flatMap((at) => {
      const item = of(Math.floor(at / room), at % room);
      return item === undefined ? [0, 0, 0, 0] : [NONE, NONE, NONE, item];
    });
  const set = () => {
    checked.write(view, values);
    checked.write(
      lists.history,
      Uint32Array.from(clicks.flatMap(({ length }, u) => [length, u * room + length])),
    );
    checked.write(lists.clicks, Uint32Array.from(entries((u, k) => clicks[u]?.[k])));
  };
  const cleared = [fill("a", view, S), fill("b", lists.history, 2), fill("c", lists.clicks, 4 * room)];
  const [state, encoded, history, list] = await checked.run(
    [copyState(kept, "stored"), ...cleared, copyState(kept, "users")],
    [asBufferView(kept.state.view), view, lists.history, lists.clicks],
    { set },
  );
  const lasts = clicks.map((items) => items.slice(-lags));
  const rows = lasts.flatMap((last, u) => [
    ...values.subarray(u * S, (u + 1) * S),
    ...[0, 0, 0, 0, clicks[u]?.length ?? NaN],
    ...listIndices(stride - 9).map((k) => last.at(-1 - k) ?? -1),
  ]);
  const [kernels, columns] = [["put_state"], S];
  checks.same(toFloats(state), rows, {
    kernels: ["keep_state"],
    what: "states with clicks",
    columns: stride,
  });
  checks.same(toFloats(encoded), values, { kernels, what: "states", columns });
  const places = lasts.flatMap(({ length }, u) => [clicks[u]?.length ?? NaN, u * room + length]);
  checks.same(history, places, { kernels, what: "clicks so far", columns: 2 });
  checks.same(list, entries((u, k) => lasts[u]?.[k]), { kernels, what: "items clicked", columns });
};

const checkStep: PageCheck = async (checked, checks) => {
  const { page, arena } = checked;
  const { users, items } = page;
  const H = 8;
  const random = createRandomStream(6, "lstm step");
  const draw = (length: number) => Float32Array.from({ length }, () => random.normal());
  const [input, product, h, c] = [draw(items * 4 * H), draw(users * 4 * H), draw(users * H), draw(users * H)];
  const clicks = listSomeClicks(page);
  writeClicks(checked, clicks);
  const [state, cell] = [arena.allocate("state", 4 * users * H), arena.allocate("cell", 4 * users * H)];
  const tensor = (name: string, columns: number, view: View) =>
    makePlainTensor(name, "events", columns, columns, view);
  const step = recordLstmStep(page, {
    input: tensor("input", 4 * H, arena.upload("input", input)),
    product: tensor("product", 4 * H, arena.upload("product", product)),
    state: tensor("state", H, state),
    cell,
  });
  const set = () => {
    checked.write(state, h);
    checked.write(cell, c);
  };
  // The step runs once, because this check has only one page.
  const [newH, newC] = await checked.run([step], [state, cell], { set });
  const wanted = listIndices(users * H).map((at) => {
    const [u, n] = [Math.floor(at / H), at % H];
    const item = clicks[u] ?? NONE;
    if (item === NONE) return { h: h[at] ?? NaN, c: c[at] ?? NaN };
    const gate = (k: number) =>
      (input[item * 4 * H + k * H + n] ?? NaN) + (product[u * 4 * H + k * H + n] ?? NaN);
    const next = applySigmoid(gate(2) + 1) * (c[at] ?? NaN) + applySigmoid(gate(0)) * Math.tanh(gate(1));
    return { h: applySigmoid(gate(3)) * Math.tanh(next), c: next };
  });
  const by = { kernels: ["lstm_step"], tolerance: 1e-5, columns: H };
  checks.numbers(toFloats(newC), wanted.map(({ c }) => c), { ...by, what: "cells" });
  checks.numbers(toFloats(newH), wanted.map(({ h }) => h), { ...by, what: "states" });
};

const checkTake: PageCheck = async (checked, checks) => {
  const { page, arena } = checked;
  const { users } = page;
  const [N, chunk] = [8, Math.ceil(users / 3)];
  const random = createRandomStream(6, "rows");
  const all = Float32Array.from({ length: users * N }, () => random.normal());
  const output = arena.allocate("some rows", 4 * chunk * N);
  const take = takeRows(makePlainTensor("rows", "events", N, N, arena.upload("rows", all)), output);
  const [found] = await checked.run([{ chunk, rows: 1, dispatches: [take] }], [output]);
  // At the end the buffer has the rows of the last chunk.
  const first = chunk * (Math.ceil(users / chunk) - 1);
  checks.same(toFloats(found), all.subarray(first * N), {
    kernels: ["take_rows"],
    what: "rows of the last chunk",
    columns: N,
  });
};

export const moveCases: readonly NamedCheck[] = [
  createPageCase("users of a shop", checkShop(restless, 2e-5)),
  createPageCase("start clicks", checkFeed, { pages: 2, startClicks: 2 }),
  createPageCase("lists of clicks", checkPush, { pages: 2 }),
  createPageCase("impressions without a click", checkPassed, { pages: 2 }),
  createPageCase("a step of an LSTM", checkStep),
  createPageCase("rows of some users", checkTake),
  createPageCase("states with the last clicks", checkStoredState),
];

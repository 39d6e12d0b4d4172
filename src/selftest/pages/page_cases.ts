/** Kernels of simulated pages: what may be shown, what is shown, who clicks, and how users move on. */

import { mulhi, philox, purposes, slotOf } from "../../data/philox.ts";
import { randomStream } from "../../data/random.ts";
import { topSlate as topOnHost } from "../../simulate/host/slate_ratio.ts";
import { fill, inRandomPool, pageMask, poolOf } from "../../simulate/pool.ts";
import type { Page } from "../../simulate/page.ts";
import { popularSlate, randomSlate, topSlate } from "../../simulate/slates.ts";
import { checkChoose } from "./choose_check.ts";
import type { Checking, Checks } from "../finding.ts";
import { moveCases } from "./move_cases.ts";
import { bitOf, bitsOf, type Check, CheckedPage, key, type PageCase, randomBits } from "./page_bench.ts";
import { range } from "../harness.ts";

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

const all: readonly PageCase[] = [
  { name: "page: what may be shown", check: checkMask },
  { name: "page: fill", check: checkFill },
  { name: "page: choose", check: checkChoose, pages: 6 },
  { name: "page: random slates", check: checkRandom },
  { name: "page: best and popular slates", check: checkTop },
  ...moveCases,
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

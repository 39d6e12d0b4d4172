/** Kernels of simulated pages: what may be shown, what is shown, who clicks, and how users move on. */

import { mulhi, philox, purposes, slotOf, uniform24 } from "../../data/philox.ts";
import { randomStream } from "../../data/random.ts";
import { choose, logViews } from "../../simulate/choose.ts";
import { choose as chooseOnHost } from "../../simulate/host/dynamics.ts";
import { topSlate as topOnHost } from "../../simulate/host/slate_ratio.ts";
import type { Page, PageRoom } from "../../simulate/page.ts";
import { fill, inRandomPool, pageMask, poolOf } from "../../simulate/pool.ts";
import { popularSlate, randomSlate, topSlate } from "../../simulate/slates.ts";
import { plain } from "../../simulate/users.ts";
import type { Checking, Checks } from "../finding.ts";
import { floats, range } from "../harness.ts";
import { moveCases } from "./move_cases.ts";
import { bitOf, bitsOf, type Check, CheckedPage, key, type PageCase, randomBits } from "./page_bench.ts";

/** Logits whose draws lie far from a bound: nearer ones fall on either side by rounding. */
const NEAR = 1e-5;
const ETA = 1.5;
/** Of the second slot, and of those behind it. */
const EFFECTS = Float32Array.of(0.7, -0.4);
const RULES = { reward: "utility", leave: 0.3, patience: 3 } as const;
const EPISODE = { firstUser: 100, episode: 2 };

/** What users see, the same on every page. */
interface Offer {
  /** [U, k] */
  readonly utilities: Float32Array<ArrayBuffer>;
  /** [U, k] items */
  readonly shown: Uint32Array<ArrayBuffer>;
}

function offerOn({ users, slate, items }: Page): Offer {
  const random = randomStream(5, "choose");
  // Some far from zero, so that one of the exponentials would overflow.
  const scaleOf = (user: number) => (user % 7 === 0 ? 60 : 2);
  const length = users * slate;
  return {
    utilities: Float32Array.from({ length }, (_, r) => scaleOf(Math.floor(r / slate)) * random.normal()),
    shown: Uint32Array.from({ length }, (_, r) => (Math.floor(r / slate) + 11 * (r % slate)) % items),
  };
}

/** Words of the outcomes, of who is there and what was clicked at the end, and of the log of slates. */
function runChoose(checked: CheckedPage, { utilities, shown }: Offer): Promise<Uint32Array<ArrayBuffer>[]> {
  const { page, arena } = checked;
  checked.write(page.slates, shown);
  const u = plain("u", "rows", 1, 1, arena.upload("utilities", utilities));
  const placeEffects = plain("place", 1, 2, 4, arena.upload("place", EFFECTS));
  const log = logViews(page);
  const set = () => {
    checked.write(page.alive, new Uint32Array(page.users).fill(1));
    checked.write(page.clicked, new Uint32Array(page.panels * page.users));
  };
  const dispatch = choose(page, { eta: ETA, placeEffects }, u, log, RULES);
  return checked.run([dispatch], [log.outcomes, page.alive, page.clicked, log.slates], { set, ...EPISODE });
}

/** What a user chooses on a page, by a random number. */
function choiceOf({ utilities }: Offer, slate: number, user: number, uniform: number) {
  const effectOf = (j: number) => (j > 0 ? EFFECTS[Math.min(j, 2) - 1] ?? NaN : 0);
  const z = range(slate).map((j) => ETA * ((utilities[user * slate + j] ?? NaN) + effectOf(j)));
  return chooseOnHost(z, uniform);
}

/**
 * The episode on the host.
 * @param found the device's outcomes, which the host follows near a bound
 */
function episodeOnHost({ users, slate, pages }: Page, offer: Offer, found: Float32Array) {
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
      const { firstUser, episode } = EPISODE;
      const draw = (purpose: number) => uniform24(philox([firstUser + user, episode, t, purpose], key)[0]);
      const own = choiceOf(offer, slate, user, draw(purposes.CHOICE));
      const slot = own.margin < NEAR ? found[4 * (t * users + user)] ?? NaN : own.slot;
      const none = slot === slate;
      const at = user * slate + slot;
      outcomes.push(slot, none ? 0 : offer.utilities[at] ?? NaN, own.clickChance, 1);
      const leaves = none && (draw(purposes.LEAVE) < RULES.leave || state === RULES.patience);
      states[user] = leaves ? 0 : none ? state + 1 : 1;
      if (!none) clicks[user]?.add(offer.shown[at] ?? NaN);
    }
  }
  return { outcomes, states, clicks };
}

const checkChoose: Check = async (checked, checks) => {
  const { page } = checked;
  const offer = offerOn(page);
  const [words, alive, clicked, logged] = await runChoose(checked, offer);
  const found = floats(words);
  const { outcomes, states, clicks } = episodeOnHost(page, offer, found);
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
  const slates = range(page.pages).flatMap(() => Array.from(offer.shown));
  checks.same(logged, slates, { kernels, what: "log of slates" });
};

const checkMask: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const clicked = randomBits(page.panels * users, 0.2);
  const list = range(items).filter((item) => item % 3 !== 1);
  const at = { firstUser: 7, episode: 3 };
  for (const options of ["all", { items: list }, { random: Math.min(items, 9) }] as const) {
    const pool = poolOf(options, items);
    for (const repeats of [false, true]) {
      checked.write(page.clicked, clicked);
      const [masked] = await checked.run([pageMask(page, pool, repeats)], [page.masked], at);
      const free = range(users).map((u) => {
        const shown = range(items).filter((item) =>
          (repeats || !bitOf(clicked, users, u, item)) &&
          (typeof options === "string" || !("items" in options) || list.includes(item))
        );
        const pooled = shown.filter((item) =>
          inRandomPool(pool, { user: 7 + u, episode: 3, page: 0, item }, key)
        );
        return new Set(pooled.length < slate ? shown : pooled);
      });
      const expected = bitsOf(page, (u, item) => !free[u]?.has(item));
      checks.same(masked, expected, { kernels: ["page_mask"], what: "what may not be shown" });
    }
  }
};

const checkFill: Check = async (checked, checks) => {
  const { page } = checked;
  const [words] = await checked.run([fill("fill", page.clicked, page.panels, 77)], [page.clicked]);
  const expected = new Uint32Array(page.panels * page.users).fill(77);
  checks.same(words, expected, { kernels: ["fill"], what: "words" });
};

/** Bits of items that may not be shown, of which enough are left; no more than that for the last of several users. */
function someMasked({ users, items, slate, panels }: Page): Uint32Array<ArrayBuffer> {
  const bits = randomBits(panels * users, 0.6, 3);
  for (let u = 0; u < users; u++) {
    for (let item = u > 0 && u + 1 === users ? 0 : items; item < 32 * panels; item++) {
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

/** The slate that a user is drawn, of what is free. */
function drawnSlate({ slate, items }: Page, user: number, free: Iterable<number>): number[] {
  const left = new Set(free);
  return range(slate).map((j) => {
    const words = philox([user, 0, 0, slotOf(purposes.SLATE, j)], key);
    const tried = words.slice(0, 3).map((word) => mulhi(word, items)).find((item) => left.has(item));
    const item = tried ?? [...left].sort((a, b) => a - b)[mulhi(words[3], left.size)] ?? NaN;
    left.delete(item);
    return item;
  });
}

const checkRandom: Check = (checked, checks) => {
  const { page } = checked;
  return compareSlates(
    checked,
    checks,
    ["random_slate"],
    randomSlate(page),
    (u, free) => drawnSlate(page, u, free),
  );
};

/** Who explores sees another slate, and may see again what the policy chose. */
const checkExplore: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const own = range(slate).map((j) => (7 * j) % items);
  const bits = bitsOf(page, (u, item) => item >= items || own.includes(item) || (item + u) % 5 === 0);
  const set = () => {
    checked.write(page.slates, Uint32Array.from(range(users).flatMap(() => own)));
    checked.write(page.masked, bits);
  };
  for (const epsilon of [0, 0.3, 1]) {
    const views = [page.slates, page.masked];
    const [slates, masked] = await checked.run([randomSlate(page, true)], views, { set, epsilon });
    const expected = range(users).map((u) => {
      if (uniform24(philox([u, 0, 0, purposes.EXPLORE], key)[0]) >= epsilon) return own;
      return drawnSlate(
        page,
        u,
        range(items).filter((item) => own.includes(item) || !bitOf(bits, users, u, item)),
      );
    });
    const kernels = ["random_slate"];
    checks.same(slates, expected.flat(), { kernels, what: `slates, ${epsilon} explore`, columns: slate });
    const after = bitsOf(
      page,
      (u, item) =>
        own.includes(item)
          ? expected[u]!.includes(item)
          : bitOf(bits, users, u, item) || expected[u]!.includes(item),
    );
    checks.same(masked, after, { kernels, what: "what may not be shown" });
  }
};

const checkTop: Check = async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const random = randomStream(2, "scores");
  // Whole numbers, so that some are equal; what is none comes last.
  const chunk = Math.ceil(users / 3);
  const scores = Float32Array.from(
    { length: chunk * items },
    (_, k) => k % 41 === 7 ? NaN : k % 41 === 9 ? Infinity : Math.round(6 * random.normal()),
  );
  const top = { chunk, rows: items, dispatches: [topSlate(page, checked.arena.upload("scores", scores))] };
  await compareSlates(checked, checks, ["top_slate"], top, (u, _, masked) => {
    const own = scores.subarray((u % chunk) * items, (u % chunk + 1) * items);
    return topOnHost(own.map((score) => Number.isFinite(score) ? score : -3.4e38), slate, masked);
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

const slateCases: readonly PageCase[] = [
  { name: "page: what may be shown", check: checkMask },
  { name: "page: fill", check: checkFill },
  { name: "page: choose", check: checkChoose, pages: 6 },
  { name: "page: random slates", check: checkRandom },
  { name: "page: slates of who explores", check: checkExplore },
  { name: "page: best and popular slates", check: checkTop },
];

type Room = Pick<PageRoom, "users" | "items" | "slate">;

const inRoom = (room: Room, cases: readonly PageCase[]): readonly Checking[] =>
  cases.map(({ name, check, pages = 1, startClicks = 0 }) => ({
    name,
    check: async (gpu, checks) => {
      const checked = new CheckedPage(gpu, { ...room, pages, startClicks }, checks);
      try {
        await check(checked, checks);
      } finally {
        checked.destroy();
      }
    },
  }));

/** Of whatever users, items and slates. */
export const slateCasesIn = (room: Room): readonly Checking[] => inRoom(room, slateCases);

/** More users than a workgroup, more items than a panel. */
export const pageCases = inRoom({ users: 70, items: 45, slate: 3 }, [...slateCases, ...moveCases]);

/** Self-test cases of simulated pages: item masks, slates, clicks, and next states. */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import { NONE } from "../../data/click_log.ts";
import { computePhilox, getSlotPurpose, purposes, toUniform24 } from "../../data/philox.ts";
import { createRandomStream } from "../../data/random.ts";
import type { View } from "../../gpu/memory.ts";
import { choose, logViews } from "../../simulate/episode.ts";
import type { EpisodeRules } from "../../simulate/simulator_options.ts";
import { choose as chooseOnHost, computeSlateLogits } from "../../simulate/host/dynamics.ts";
import { drawSlate } from "../../simulate/host/host_simulator.ts";
import { PlackettLuce } from "../../simulate/host/plackett_luce.ts";
import { selectTopSlate as topOnHost } from "../../simulate/host/host_best_slate.ts";
import type { PageBuffers } from "../../simulate/page_buffers.ts";
import { PageHeaders } from "../../simulate/page_program.ts";
import { createPool, drawRandomPool, fill, type PoolOptions, recordPageMask } from "../../simulate/pool.ts";
import { recordPlackettLuce } from "../../simulate/exploring_policy.ts";
import { recordPopularSlate, recordRandomSlate, recordTopSlate } from "../../policy/named_policies.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import type { PageDispatch } from "../../simulate/policy.ts";
import type { CheckCollector, NamedCheck } from "../finding.ts";
import type { CanaryArena, KernelTrial } from "../harness.ts";
import { getBit, listIndices, listWriters, makeMaskBits, runTrial, toFloats } from "../harness.ts";
import { moveCases } from "./move_cases.ts";
import type { CheckedPage, PageCheck } from "./page_bench.ts";
import { createPageCase, drawRandomBits, key, makePageBits } from "./page_bench.ts";

/** Rounding may change a choice if its random number is closer than this to a cumulative probability. */
const NEAR = 1e-5;
/** Position effects: of the second slot, and of every later slot. */
const EFFECTS = Float32Array.of(0.7, -0.4);
const EPISODE = { firstUser: 100, episode: 2 };

export interface SlateOffer {
  readonly eta: number;
  /** Position effects by slot; absent if there are none. */
  readonly effects?: Float32Array<ArrayBuffer>;
  readonly rules: EpisodeRules;
  /** Utilities [users, slots] of the shown items. */
  readonly utilities: Float32Array<ArrayBuffer>;
  readonly shown: Uint32Array<ArrayBuffer>;
}

/** Returns one slate per user. Neighbouring users have different slates. */
export function listShownSlates({ users, slate, items }: PageBuffers): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(
    { length: users * slate },
    (_, r) => (Math.floor(r / slate) + 11 * (r % slate)) % items,
  );
}

function computeChoice(
  { utilities, eta, effects }: SlateOffer,
  slate: number,
  user: number,
  uniform: number,
) {
  const own = utilities.subarray(user * slate, (user + 1) * slate);
  return chooseOnHost(computeSlateLogits(own, eta, effects), uniform);
}

/** Simulates the episode on the host. @param found - the device's clicks, used where rounding decides */
function episodeOnHost({ users, slate, pages }: PageBuffers, offer: SlateOffer, found: Float32Array) {
  const { rules: { reward, leave, patience } } = offer;
  const outcomes: number[] = [];
  const states = new Array<number>(users).fill(1);
  const clicks = listIndices(users).map(() => new Set<number>());
  let events: number[] = [];
  for (let t = 0; t < pages; t++) {
    events = [];
    for (let user = 0; user < users; user++) {
      const state = states[user] ?? 0;
      const first = user * slate;
      if (state === 0) {
        outcomes.push(0, 0, 0, 0);
        events.push(first, first + slate, NONE, NONE);
        continue;
      }
      const { firstUser, episode } = EPISODE;
      const draw = (purpose: number) =>
        toUniform24(computePhilox([firstUser + user, episode, t, purpose], key)[0]);
      const own = computeChoice(offer, slate, user, draw(purposes.CHOICE));
      const slot = own.margin < NEAR ? found[4 * (t * users + user)] ?? NaN : own.slot;
      const none = slot === slate;
      const at = first + slot;
      const gain = reward === "click" ? 1 : offer.utilities[at] ?? NaN;
      outcomes.push(slot, none ? 0 : gain, own.clickProbability, 1);
      const item = none ? NONE : offer.shown[at] ?? NaN;
      events.push(first, first + slate, none ? NONE : at, item);
      const leaves = none && (draw(purposes.LEAVE) < leave || state === patience);
      states[user] = leaves ? 0 : none ? state + 1 : 1;
      if (!none) clicks[user]?.add(item);
    }
  }
  return { outcomes, states, clicks, events };
}

/** Creates a test of simulated clicks on the pages of an episode. Some users leave early. */
export function chooseTrial(
  page: PageBuffers,
  arena: CanaryArena,
  offer: SlateOffer,
): KernelTrial<ClickSizes> {
  const { users, slate, panels, pages, alive, clicked, event } = page;
  const { eta, effects, rules } = offer;
  const write = ({ buffer }: View, data: Uint32Array<ArrayBuffer>) =>
    arena.gpu.queue.writeBuffer(buffer, 0, data);
  write(page.slates, offer.shown);
  const u = makePlainTensor("u", "rows", 1, 1, arena.upload("utilities", offer.utilities));
  const placeEffects = effects &&
    makePlainTensor("place", 1, effects.length, 4, arena.upload("place", effects));
  const log = logViews(page);
  const headers = new PageHeaders(arena, page, 1 + pages, []);
  headers.put({ users, seed: 1, ...EPISODE }, (slot) => Math.max(0, slot - 1));
  const what = "outcomes (slot, reward, P(click), present)";
  return {
    ...{ arena, sizes: headers.sizes(1), headers: headers.buffer },
    offsets: listIndices(pages).flatMap((t) => headers.list(1 + t)).map(({ offset }) => offset),
    specs: [choose(page, { eta, positionEffects: placeEffects }, u, log, rules)],
    start() {
      write(alive, new Uint32Array(users).fill(1));
      write(clicked, new Uint32Array(panels * users));
    },
    views: [log.outcomes, alive, clicked, log.slates, event],
    named: new Map([[log.outcomes, what]]),
    compare(words, specs, checks) {
      const found = toFloats(words(log.outcomes));
      const { outcomes, states, clicks, events } = episodeOnHost(page, offer, found);
      const kernels = ["choose_click"];
      checks.numbers(found, outcomes, {
        ...{ kernels, what, columns: 4 },
        // Slots and rewards are exact. Probabilities have rounding errors, from exp of numbers up to 100.
        tolerance: (k) => (k % 4 === 2 ? 2e-5 : 0),
        named: (k) => ` (page ${Math.floor(k / 4 / users)}, user ${Math.floor(k / 4) % users})`,
      });
      const same = (what: string, view: View, expected: ArrayLike<number>, columns?: number) => {
        // A user-written kernel need not write outputs that its exercise does not require.
        if (listWriters(specs, view).length > 0) {
          checks.same(words(view), expected, { kernels, what, columns });
        }
      };
      same("present users", alive, states);
      same("clicked", clicked, makePageBits(page, (user, item) => clicks[user]?.has(item) ?? false));
      const slates = listIndices(pages).flatMap(() => Array.from(offer.shown));
      same("log of slates", log.slates, slates, slate);
      same("events of the last page", event, events, 4);
    },
    [Symbol.dispose]: () => arena.destroy(),
  };
}

export const checkChoose = (rules: EpisodeRules): PageCheck => async ({ page, arena }, checks) => {
  const { users, slate } = page;
  const random = createRandomStream(5, "choose");
  // Some utilities are so large that their exponential would overflow.
  const getUserScale = (user: number) => (user % 7 === 0 ? 60 : 2);
  const utilities = Float32Array.from(
    { length: users * slate },
    (_, r) => getUserScale(Math.floor(r / slate)) * random.normal(),
  );
  const offer = { eta: 1.5, effects: EFFECTS, rules, utilities, shown: listShownSlates(page) };
  await runTrial(chooseTrial(page, arena, offer), checks);
};

/** Checks the mask of items that may not be shown. @param repeats - true if clicked items may be shown */
export const checkMask = (options: PoolOptions, repeats = false): PageCheck => async (checked, checks) => {
  const { page } = checked;
  const { users, items, slate } = page;
  const pool = createPool(options, items);
  const clicked = drawRandomBits(page.panels * users, 0.2);
  checked.write(page.clicked, clicked);
  const at = { firstUser: 7, episode: 3 };
  const [masked] = await checked.run([recordPageMask(page, pool, repeats)], [page.masked], at);
  const listed = typeof options === "object" && "items" in options
    ? Array.from(options.items)
    : listIndices(items);
  const free = listIndices(users).map((u) => {
    const shown = listed.filter((item) => repeats || !getBit(clicked, users, u, item));
    if (pool.threshold === 0) return new Set(shown);
    const words = (purpose: number) => computePhilox([7 + u, 3, 0, purpose], key);
    const drawn = drawRandomPool(pool.threshold, items, words);
    const pooled = shown.filter((item) => drawn[item] === 1);
    return new Set(pooled.length < slate ? shown : pooled);
  });
  const expected = makePageBits(page, (u, item) => !free[u]?.has(item));
  checks.same(masked, expected, { kernels: ["page_mask"], what: "masked items" });
};

const checkFill: PageCheck = async (checked, checks) => {
  const { page } = checked;
  const [words] = await checked.run([fill("fill", page.clicked, page.panels, 77)], [page.clicked]);
  const expected = new Uint32Array(page.panels * page.users).fill(77);
  checks.same(words, expected, { kernels: ["fill"], what: "words" });
};

/** Returns a mask of random items per user. Only `slate` items of the last user are unmasked. */
function someMasked({ users, items, slate, panels }: PageBuffers, share: number): Uint32Array<ArrayBuffer> {
  const bits = drawRandomBits(panels * users, share, 3);
  const isFree = (u: number, item: number) => listIndices(slate).some((j) => item === (u + 7 * j) % items);
  return makeMaskBits(users, 32 * panels, (u, item) => {
    if (item >= items) return true;
    const none = u > 0 && u === users - 1;
    return !isFree(u, item) && (none || getBit(bits, users, u, item));
  });
}

/** Returns a copy of the mask `bits` in which the items of each user's slate are masked, too. */
function withSlates(page: PageBuffers, bits: Uint32Array, slates: readonly ArrayLike<number>[]) {
  const shown = slates.map((slate) => new Set(Array.from(slate)));
  return makePageBits(page, (u, item) => getBit(bits, page.users, u, item) || (shown[u]?.has(item) ?? false));
}

/** A kernel that chooses slates, and the expected slates. */
interface SlateExpectation {
  readonly kernel: string;
  readonly dispatch: PageDispatch;
  /** Share of the mask's bits that are set at random. */
  readonly share: number;
  /** Returns a user's slate before the run. The mask excludes the items of this slate. */
  readonly before?: (free: readonly number[]) => readonly number[];
  readonly epsilon?: number;
  /** Returns the expected slate. @param masked - [items] 1 for items that are masked at random */
  wanted(user: number, masked: Uint8Array): ArrayLike<number>;
}

async function compareSlates(
  checked: CheckedPage,
  checks: CheckCollector,
  { kernel, dispatch, share, before, epsilon, wanted }: SlateExpectation,
): Promise<void> {
  const { page } = checked;
  const { users, items } = page;
  const bits = someMasked(page, share);
  const free = (u: number) => listIndices(items).filter((item) => !getBit(bits, users, u, item));
  const old = listIndices(users).map((u) => before?.(free(u)) ?? []);
  const set = () => {
    checked.write(page.masked, withSlates(page, bits, old));
    if (before) checked.write(page.slates, Uint32Array.from(old.flat()));
  };
  const [slates, masked] = await checked.run([dispatch], [page.slates, page.masked], { set, epsilon });
  const expected = listIndices(users).map((u) =>
    wanted(u, Uint8Array.from({ length: items }, (_, item) => (getBit(bits, users, u, item) ? 1 : 0)))
  );
  const by = { kernels: [kernel], columns: page.slate };
  checks.same(slates, expected.flatMap((slate) => Array.from(slate)), { ...by, what: "slates" });
  const what = "masked items";
  checks.same(masked, withSlates(page, bits, expected), { kernels: [kernel], what });
}

/** Checks random slates. @param share - share of masked items @param epsilon - P(random slate) */
export const checkRandom = (share: number, epsilon?: number): PageCheck => async (checked, checks) => {
  const { page } = checked;
  const { slate } = page;
  const explore = epsilon !== undefined;
  const before = (free: readonly number[]) => free.slice(-slate);
  const dispatch = recordRandomSlate(page, explore);
  await compareSlates(checked, checks, {
    ...{ kernel: "random_slate", dispatch, share, ...(explore && { before, epsilon }) },
    wanted(u, masked) {
      const words = (purpose: number) => computePhilox([u, 0, 0, purpose], key);
      const stays = explore && toUniform24(words(purposes.EXPLORE)[0]) >= epsilon;
      const free = listIndices(masked.length).filter((item) => masked[item] === 0);
      return stays ? before(free) : drawSlate({ masked, slate, words });
    },
  });
};

/** Checks top_slate and popular_slate. @param hard - true to add scores NaN and Infinity, which rank last */
export const checkTop = (hard = false): PageCheck => async (checked, checks) => {
  const { page, arena } = checked;
  const { users, items, slate } = page;
  const random = createRandomStream(2, "scores");
  // Every chunk reads the same buffer of scores. Scores are integers, so that some are equal.
  const chunk = Math.ceil(users / 3);
  const scores = Float32Array.from(
    { length: chunk * items },
    (_, k) => hard && k % 41 === 7 ? NaN : hard && k % 41 === 9 ? Infinity : Math.round(6 * random.normal()),
  );
  const share = 0.6;
  await compareSlates(checked, checks, {
    ...{ kernel: "top_slate", share },
    dispatch: { chunk, rows: items, dispatches: [recordTopSlate(page, arena.upload("scores", scores))] },
    wanted(u, masked) {
      const own = scores.subarray((u % chunk) * items, (u % chunk + 1) * items);
      return topOnHost(own.map((x) => (Number.isFinite(x) ? x : -3.4e38)), slate, masked);
    },
  });
  const order = listIndices(items).map((item) => (7 * item + 3) % items);
  if (new Set(order).size < items) throw new Error("Expected a ranking of all items, got fewer items");
  await compareSlates(checked, checks, {
    ...{ kernel: "popular_slate", share },
    dispatch: recordPopularSlate(page, arena.upload("order", Uint32Array.from(order))),
    wanted: (_, masked) => order.filter((item) => masked[item] === 0).slice(0, slate),
  });
};

/** Checks Plackett-Luce slates and their log probabilities. @param shared - true if users share the scores */
export const checkDrawn =
  (share: number, temperature: number, shared = false): PageCheck => async (checked, checks) => {
    const { page, arena } = checked;
    const { users, items, slate, pages } = page;
    const random = createRandomStream(3, "scores");
    const chunk = shared ? users : Math.ceil(users / 3);
    const rows = shared ? 1 : chunk;
    const scores = Float32Array.from(
      { length: rows * items },
      (_, k) => k % 41 === 7 ? NaN : k % 41 === 9 ? -Infinity : 3 * random.normal(),
    );
    const chances = arena.allocate("chances", 4 * pages * users * slate);
    const view = arena.upload("scores", scores);
    const by = { scores: view, stride: shared ? 0 : items, temperature, logProbabilities: chances };
    const bits = someMasked(page, share);
    const dispatch = { chunk, rows: items, dispatches: [recordPlackettLuce(page, by)] };
    const set = () => checked.write(page.masked, bits);
    const [slates = new Uint32Array(), masked, logged] = await checked.run(
      [dispatch],
      [page.slates, page.masked, chances],
      { set },
    );
    const drawn = listIndices(users).map((u) => {
      const free = listIndices(items).filter((item) => !getBit(bits, users, u, item));
      const row = shared ? 0 : u % chunk;
      const law = new PlackettLuce(free.map((item) => scores[row * items + item] ?? 0), temperature);
      const own = law.draw(
        slate,
        (slot) => toUniform24(computePhilox([u, 0, 0, getSlotPurpose(purposes.SLATE, slot)], key)[0]),
      );
      const shown = Array.from(slates.subarray(u * slate, (u + 1) * slate), (item) => free.indexOf(item));
      const positions = own.margin < NEAR ? shown : own.indices;
      return { slate: positions.map((k) => free[k] ?? NONE), chances: law.logProbabilities(positions) };
    });
    const kernels = ["plackett_luce"];
    checks.same(slates, drawn.flatMap(({ slate }) => slate), { kernels, what: "slates", columns: slate });
    const expected = withSlates(page, bits, drawn.map(({ slate }) => slate));
    checks.same(masked, expected, { kernels, what: "masked items" });
    const wanted = drawn.flatMap(({ chances }) => chances);
    const tolerance = (k: number) => 2e-6 * (4 + Math.abs(wanted[k] ?? 0));
    checks.numbers(toFloats(logged), wanted, {
      kernels,
      what: "log probabilities",
      tolerance,
      columns: slate,
    });
  };

export const pageCases: readonly NamedCheck[] = [
  createPageCase("masks", checkMask({ random: 9 })),
  createPageCase("fill", checkFill),
  createPageCase("choose", checkChoose({ reward: "utility", leave: 0.3, patience: 3 }), { pages: 6 }),
  createPageCase("random slates", checkRandom(0.6)),
  createPageCase("best and popular slates", checkTop()),
  createPageCase("drawn slates", checkDrawn(0.6, 0.7)),
  ...moveCases,
];

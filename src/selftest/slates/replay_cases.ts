/** Self-test cases of the replay buffer: storing pages, sampling pages, and computing target values. */

import { computePhilox, makeKey, multiplyHigh, type PhiloxKey, purposes } from "../../data/philox.ts";
import { createRandomStream } from "../../data/random.ts";
import type { Arena } from "../../gpu/arena.ts";
import { CommandRecorder } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { View } from "../../gpu/memory.ts";
import { type DispatchSpec, Program } from "../../gpu/program.ts";
import { readViews } from "../../gpu/readback.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import { StepHeaders, type StepSettings } from "../../gpu/step.ts";
import { pageReward, qTarget } from "../../policy/learning/q_loss.ts";
import { ReplaySample } from "../../policy/learning/replay_sample.ts";
import { LEFT, ReplayBuffer } from "../../policy/learning/replay_buffer.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import type { CheckCollector, NamedCheck } from "../finding.ts";
import {
  CanaryArena,
  computePrefixSums,
  listIndices,
  makeMaskBits,
  recordStep,
  toFloats,
} from "../harness.ts";
import { drawStartHistory, type StartOptions } from "../../simulate/start.ts";

const BATCH = 128;
export const SEED = 12345;
const ITERATION = 7;

export const [USERS, PAGES, SLATE, ITEMS, STRIDE, EPISODES] = [70, 3, 2, 45, 8, 2];
/** Number of columns of a state, without its last column: the share of the pages that were already shown. */
const COLUMNS = STRIDE - 1;

/** Lists of items that a user clicked before the episode. One of the lists is drawn per user. */
const START: StartOptions = [[], [44, 3, 40], [31, 32]];

type Episode = ReturnType<typeof createEpisode>;

/** Draws an episode: start states [users, stride], and pages. Some users leave after page 1 or 2. */
export function createEpisode(episode: number) {
  const random = createRandomStream(9, "replay", episode);
  const states = () =>
    Float32Array.from({ length: USERS * STRIDE }, (_, k) => (k % STRIDE < COLUMNS ? random.normal() : 0));
  const here = new Array<boolean>(USERS).fill(true);
  return {
    start: states(),
    pages: listIndices(PAGES).map(() => {
      /** Slot of the clicked item per user; SLATE for no click. */
      const slots = listIndices(USERS).map(() => random.integer(SLATE + 1));
      listIndices(USERS).forEach((u) => here[u] = (here[u] ?? false) && random.uniform() > 0.3);
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

/** Returns the number of pages that each user saw. A user who left sees no more pages. */
function listLengths({ pages }: Episode): number[] {
  return listIndices(USERS).map((u) => {
    const left = pages.findIndex(({ alive }) => alive[u] === 0);
    return left < 0 ? pages.length : left + 1;
  });
}

/** Returns the users' states before the first page, and after each page. */
function listStates({ start, pages }: Episode): Float32Array<ArrayBuffer>[] {
  return [start, ...pages.map(({ states }) => states)];
}

interface UserPage {
  readonly episode: number;
  readonly user: number;
  readonly page: number;
}

/** Returns all pages that users saw, in the order of episode, user, page. */
export function listUserPages(episodes: readonly Episode[]): UserPage[] {
  return episodes.flatMap((one, episode) =>
    listLengths(one).flatMap((length, user) => listIndices(length).map((page) => ({ episode, user, page })))
  );
}

/** Returns a user's state before a page (`later` 0), after this page (1), after the next page (2), etc. */
function getState(episodes: readonly Episode[], { episode, user, page }: UserPage, later: number): number[] {
  const one = episodes[episode];
  const states = one && listStates(one)[page + later];
  return Array.from(states?.subarray(user * STRIDE, user * STRIDE + COLUMNS) ?? []);
}

function getSlate(episodes: readonly Episode[], { episode, user, page }: UserPage): number[] {
  const slates = episodes[episode]?.pages[page]?.slates;
  return Array.from(slates?.subarray(user * SLATE, (user + 1) * SLATE) ?? []);
}

/** Returns the items that a user clicked before the episode (drawn with `key`) and on `pages` pages. */
function listClicked(
  episodes: readonly Episode[],
  { episode, user }: Omit<UserPage, "page">,
  pages: number,
  key: PhiloxKey,
): number[] {
  const before = Array.from(drawStartHistory(START, user, episode, key));
  return before.concat(
    listIndices(pages).flatMap((page) => {
      const slot = episodes[episode]?.pages[page]?.slots[user] ?? SLATE;
      return slot < SLATE ? [getSlate(episodes, { episode, user, page })[slot] ?? NaN] : [];
    }),
  );
}

async function compareBuffer(
  { gpu }: CanaryArena,
  { states, shown, happened, lengths, starts }: ReplayBuffer,
  episodes: readonly Episode[],
  checks: CheckCollector,
): Promise<void> {
  const held = await readViews(gpu, [states, shown, happened, lengths, starts]);
  const by = { kernels: ["replay_push"] };
  const wantedStates = episodes.flatMap(listStates).flatMap((one) => Array.from(one));
  checks.same(toFloats(held[0]), wantedStates, { ...by, what: "states", columns: STRIDE });
  const pages = episodes.flatMap(({ pages }) => pages);
  const wantedSlates = pages.flatMap(({ slates }) => Array.from(slates));
  checks.same(held[1], wantedSlates, { ...by, what: "slates", columns: SLATE });
  const bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0] ?? NaN;
  const outcomes = pages.flatMap(({ slots, rewards, alive }) =>
    slots.flatMap((slot, u) => [(slot | (alive[u] ? 0 : LEFT)) >>> 0, bits(rewards[u] ?? NaN)])
  );
  checks.same(held[2], outcomes, { ...by, what: "outcomes (slot, bits of the reward)", columns: 2 });
  const pagesOf = episodes.map(listLengths);
  checks.same(held[3], pagesOf.flat(), { ...by, what: "pages of users", columns: USERS });
  checks.same(held[4], pagesOf.flatMap(computePrefixSums), {
    kernels: ["replay_starts"],
    what: "first pages of users",
    columns: USERS + 1,
  });
}

async function compareSample(
  { gpu }: CanaryArena,
  sample: ReplaySample,
  whole: View,
  episodes: readonly Episode[],
  checks: CheckCollector,
): Promise<void> {
  const { drawn, before, after, maskBefore, maskAfter, slates, outcome } = sample;
  const views = [drawn, before.view, after.view, maskBefore, maskAfter, slates, outcome, whole];
  const [draws, states, nextStates, masks, nextMasks, shown, outcomes, wholes] = await readViews(gpu, views);
  const wanted = selectDrawn(listUserPages(episodes));
  checks.same(draws, wanted.flatMap(({ episode, user, page }) => [episode, page, user, 0]), {
    kernels: ["replay_draw"],
    what: "drawn pages (episode, page, user)",
    columns: 4,
  });
  const listStatesAfter = (pages: number) =>
    wanted.flatMap((seen) => [...getState(episodes, seen, pages), (seen.page + pages) / PAGES]);
  const by = { kernels: ["replay_sample"], tolerance: 2e-7 };
  checks.numbers(toFloats(states), listStatesAfter(0), {
    ...by,
    what: "states before the pages",
    columns: STRIDE,
  });
  checks.numbers(toFloats(nextStates), listStatesAfter(1), {
    ...by,
    what: "states after the pages",
    columns: STRIDE,
  });
  const wantedWhole = wanted.flatMap((seen) => [...getState(episodes, seen, 1), 0]);
  checks.same(toFloats(wholes), wantedWhole, {
    kernels: ["replay_sample_states"],
    what: "whole states after the pages",
    columns: STRIDE,
  });
  const wantedSlates = wanted.flatMap((seen) => getSlate(episodes, seen));
  checks.same(shown, wantedSlates, { ...by, what: "slates", columns: SLATE });
  const wantedOutcomes = wanted.flatMap((seen) => getOutcome(episodes, seen));
  checks.same(toFloats(outcomes), wantedOutcomes, { ...by, what: "outcomes", columns: 4 });
  const masked = { kernels: ["replay_sample_masks"], columns: BATCH };
  checks.same(masks, buildMasks(episodes, wanted, sample), { ...masked, what: "masks before the pages" });
  checks.same(nextMasks, buildMasks(episodes, wanted, sample, 1), {
    ...masked,
    what: "masks after the pages",
  });
}

/** Returns the pages that the kernel must sample. */
function selectDrawn(seen: readonly UserPage[]): UserPage[] {
  return listIndices(BATCH).map((b) => {
    const [word] = computePhilox([b, ITERATION, 0, purposes.REPLAY], makeKey(SEED));
    return seen[multiplyHigh(word, seen.length)] ?? { episode: NaN, user: NaN, page: NaN };
  });
}

/** Returns a page's outcome as 4 numbers: slot, reward, whether the user stays (1 or 0), page index. */
function getOutcome(episodes: readonly Episode[], { episode, user, page }: UserPage): number[] {
  const { slots, rewards, alive } = episodes[episode]?.pages[page] ?? {};
  return [slots?.[user] ?? NaN, rewards?.[user] ?? NaN, alive?.[user] ?? NaN, page];
}

/** Returns a mask of clicked items per sampled page. @param later - 1 to include clicks on this page */
function buildMasks(
  episodes: readonly Episode[],
  drawn: readonly UserPage[],
  { options: { repeats } }: ReplaySample,
  later = 0,
): Uint32Array {
  const clicked = drawn.map((seen) =>
    repeats ? [] : listClicked(episodes, seen, seen.page + later, makeKey(SEED))
  );
  const isTaken = (row: number, item: number) => item >= ITEMS || (clicked[row]?.includes(item) ?? false);
  return makeMaskBits(drawn.length, 32 * Math.ceil(ITEMS / 32), isTaken);
}

export type ReplaySizes = Readonly<Record<"rows", number>>;
export const dimensions = new Dimensions<ReplaySizes>(["rows"], "rows");

/** Creates a replay buffer for `episodes` episodes, and a sampler that draws `rows` pages. */
export async function createReplayBench(
  arena: Arena,
  { rows = BATCH, episodes = EPISODES, repeats = false } = {},
) {
  const { queue } = arena.gpu;
  const size = { users: USERS, pages: PAGES, slate: SLATE, stateStride: STRIDE, episodes };
  const replay = new ReplayBuffer(arena, size);
  const options = { rows, items: ITEMS, stateColumns: COLUMNS, repeats, start: START };
  const sample = new ReplaySample(arena, replay, options);
  const state = arena.allocate("state", 4 * USERS * STRIDE);
  const slates = arena.allocate("slates", 4 * USERS * SLATE);
  const outcomes = arena.allocate("outcomes", 16 * PAGES * USERS);
  const alive = arena.allocate("alive", 4 * USERS);
  const seen = { state: makePlainTensor("state", USERS, COLUMNS, STRIDE, state), slates, outcomes, alive };
  const headers = new StepHeaders(arena, dimensions, 1);
  const begin = await recordRunner(headers, arena, "begin", replay.begin(seen));
  const push = await recordRunner(headers, arena, "replay_push", replay.push(seen));
  const after = arena.allocate("states after", 4 * rows * STRIDE);
  const whole = sample.statesAfter(makePlainTensor("states after", rows, COLUMNS, STRIDE, after));
  const draw = await recordRunner(headers, arena, "draw", [...sample.dispatches(), whole]);
  return {
    ...{ replay, sample, after },
    /** Stores an episode in the replay buffer, page by page. @param episode - the episode's number */
    push({ start, pages }: Episode, episode: number): void {
      sample.begin(episode, makeKey(SEED));
      queue.writeBuffer(state.buffer, 0, start);
      begin(USERS, { page: { page: 0, episode, firstUser: 0 } });
      pages.forEach((page, t) => {
        queue.writeBuffer(state.buffer, 0, page.states);
        queue.writeBuffer(slates.buffer, 0, page.slates);
        const outcome = page.slots.flatMap((slot, u) => [slot, page.rewards[u] ?? NaN, 0.5, 1]);
        queue.writeBuffer(outcomes.buffer, 16 * USERS * t, Float32Array.from(outcome));
        queue.writeBuffer(alive.buffer, 0, page.alive);
        push(USERS, { page: { page: t, episode, firstUser: 0 } });
      });
    },
    draw: (iteration = ITERATION) => draw(rows, { iteration }),
  };
}

/** Prepares dispatches. @returns a function that runs the dispatches on a number of rows */
async function recordRunner(
  headers: StepHeaders<ReplaySizes>,
  { gpu }: Arena,
  name: string,
  specs: readonly DispatchSpec[],
): Promise<(rows: number, purpose: Partial<StepSettings>) => void> {
  const program = await Program.record<ReplaySizes>(gpu, name, headers.buffer, specs);
  return (rows, purpose) => {
    const batch = { sizes: { rows }, counted: 1, first: 0 };
    headers.put(0, batch, { slot: 0, learningRate: 0, iteration: 0, noise: SEED, ...purpose });
    headers.upload(0, 1);
    CommandRecorder.submit(gpu, "replay", (commands) => program.encode(commands, batch.sizes, 0));
  };
}

export async function checkReplay(gpu: Gpu, checks: CheckCollector, repeats = false): Promise<void> {
  using arena = new CanaryArena(gpu, "replay");
  const { replay, sample, after, push, draw } = await createReplayBench(arena, { repeats });
  const episodes = listIndices(EPISODES).map(createEpisode);
  episodes.forEach(push);
  draw();
  await compareBuffer(arena, replay, episodes, checks);
  await compareSample(arena, sample, after, episodes, checks);
  const others = ["replay_draw", "replay_sample", "replay_sample_masks", "replay_sample_states"];
  await arena.check(checks, ["replay_push", "replay_starts", ...others]);
}

async function checkTargets(gpu: Gpu, checks: CheckCollector): Promise<void> {
  using arena = new CanaryArena(gpu, "targets");
  const random = createRandomStream(4, "targets");
  const outcomes = listIndices(BATCH).map((b) => [b % 3, random.normal(), b % 5 === 0 ? 0 : 1, b % PAGES]);
  const next = listIndices(BATCH * 4).map(() => random.normal());
  const config = { rows: BATCH, pages: PAGES, users: BATCH, discount: 0.9, bootstrapAtEnd: false };
  const outcome = arena.upload("outcome", Float32Array.from(outcomes.flat()));
  const [wanted, ring] = [arena.allocate("wanted", 4 * BATCH), arena.allocate("ring", 64)];
  const nextView = { view: arena.upload("next", Float32Array.from(next)), stride: 4, first: 1, count: 2 };
  const specs = [
    qTarget(config, { outcome, next: nextView, targets: wanted }),
    pageReward(config, { outcome, ring }),
  ];
  const batch = { sizes: { rows: BATCH }, counted: 1 };
  const encode = await recordStep<ReplaySizes>(arena, dimensions, specs, batch, { slot: 1 });
  CommandRecorder.submit(gpu, "targets", encode);
  const [found, sums] = await readViews(gpu, [wanted, ring]);
  const expected = outcomes.map(([, reward = NaN, stays, page = NaN], b) => {
    const follows = stays === 1 && page + 1 < PAGES;
    return reward + (follows ? 0.9 * ((next[4 * b + 1] ?? NaN) + (next[4 * b + 2] ?? NaN)) : 0);
  });
  checks.numbers(toFloats(found), expected, {
    kernels: ["q_target"],
    what: "target values",
    tolerance: 2e-6,
  });
  // The kernel sums the last number of an outcome: usually 1 for a present user, here the page's number.
  const sum = (k: number) => outcomes.reduce((total, outcome) => total + (outcome[k] ?? NaN), 0);
  const slot = toFloats(sums).subarray(4, 8);
  const by = { kernels: ["page_reward"], what: "sums of rewards and users", tolerance: 2 ** -18 * BATCH };
  checks.numbers(slot, [0, 0, sum(1), sum(3)], by);
  await arena.check(checks, ["q_target", "page_reward"]);
}

export const replayCases: readonly NamedCheck[] = [
  { name: "replay: pages are stored and sampled", check: (gpu, checks) => checkReplay(gpu, checks) },
  { name: "replay: target values", check: checkTargets },
];

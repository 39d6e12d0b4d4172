/** Kernels that remember pages of simulated users, draw some again, and say what their values are to become. */

import { keyOf } from "../../data/philox.ts";
import { randomStream } from "../../data/random.ts";
import type { Arena } from "../../gpu/arena.ts";
import { Commands } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { View } from "../../gpu/memory.ts";
import { type DispatchSpec, Program } from "../../gpu/program.ts";
import { readViews } from "../../gpu/readback.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import { StepHeaders, type StepPurpose } from "../../gpu/step.ts";
import { pageReward, qTarget } from "../../policy/learning/q_loss.ts";
import { Recall } from "../../policy/learning/recall.ts";
import { Replay } from "../../policy/learning/replay.ts";
import { plain } from "../../simulate/users.ts";
import type { Checking, Checks } from "../finding.ts";
import { CanaryArena, floats, range } from "../harness.ts";
import {
  BATCH,
  COLUMNS,
  compareRecalled,
  compareRemembered,
  type Episode,
  episodeOf,
  EPISODES,
  ITEMS,
  ITERATION,
  PAGES,
  SEED,
  SLATE,
  START,
  STRIDE,
  USERS,
} from "./replay_compare.ts";

/** Rows to learn from are all that a batch counts. */
export type Rows = Readonly<Record<"rows", number>>;
export const dimensions = new Dimensions<Rows>(["rows"], "rows");

interface ReplayBench {
  readonly replay: Replay;
  readonly recall: Recall;
  /** Remembers an episode, page by page. @param number of the episode */
  remember(episode: Episode, number: number): void;
  /** @param iteration {@link ITERATION} by default */
  draw(iteration?: number): void;
  /** [B, S] whole states after the drawn pages. */
  readonly after: View;
}

/** @param rows that are drawn. @param episodes of the ring */
export async function replayBench(
  arena: Arena,
  { rows = BATCH, episodes = EPISODES, repeats = false } = {},
): Promise<ReplayBench> {
  const { queue } = arena.gpu;
  const size = { users: USERS, pages: PAGES, slate: SLATE, stateStride: STRIDE, episodes };
  const replay = new Replay(arena, size);
  const options = { rows, items: ITEMS, stateColumns: COLUMNS, repeats, start: START };
  const recall = new Recall(arena, replay, options);
  const state = arena.allocate("state", 4 * USERS * STRIDE);
  const slates = arena.allocate("slates", 4 * USERS * SLATE);
  const outcomes = arena.allocate("outcomes", 16 * PAGES * USERS);
  const alive = arena.allocate("alive", 4 * USERS);
  const seen = { state: plain("state", USERS, COLUMNS, STRIDE, state), slates, outcomes, alive };
  const headers = new StepHeaders(arena, dimensions, 1);
  const begin = await runnerOf(headers, arena, "begin", replay.begin(seen));
  const remember = await runnerOf(headers, arena, "remember", replay.remember(seen));
  const after = arena.allocate("states after", 4 * rows * STRIDE);
  const whole = recall.statesAfter(plain("states after", rows, COLUMNS, STRIDE, after));
  const draw = await runnerOf(headers, arena, "draw", [...recall.dispatches(), whole]);
  return {
    ...{ replay, recall, after },
    remember({ start, pages }, episode) {
      recall.begin(episode, keyOf(SEED));
      queue.writeBuffer(state.buffer, 0, start);
      begin(USERS, { page: { page: 0, episode, firstUser: 0 } });
      pages.forEach((page, t) => {
        queue.writeBuffer(state.buffer, 0, page.states);
        queue.writeBuffer(slates.buffer, 0, page.slates);
        const outcome = page.slots.flatMap((slot, u) => [slot, page.rewards[u] ?? NaN, 0.5, 1]);
        queue.writeBuffer(outcomes.buffer, 16 * USERS * t, Float32Array.from(outcome));
        queue.writeBuffer(alive.buffer, 0, page.alive);
        remember(USERS, { page: { page: t, episode, firstUser: 0 } });
      });
    },
    draw: (iteration = ITERATION) => draw(rows, { iteration }),
  };
}

/** Records dispatches. @returns what runs them on so many rows */
async function runnerOf(
  headers: StepHeaders<Rows>,
  { gpu }: Arena,
  name: string,
  specs: readonly DispatchSpec[],
): Promise<(rows: number, purpose: Partial<StepPurpose>) => void> {
  const program = await Program.record<Rows>(gpu, name, headers.buffer, specs);
  return (rows, purpose) => {
    const batch = { sizes: { rows }, counted: 1, first: 0 };
    headers.put(0, batch, { slot: 0, learningRate: 0, iteration: 0, noise: SEED, ...purpose });
    headers.upload(0, 1);
    const commands = new Commands(gpu, "replay");
    program.encode(commands, batch.sizes, 0);
    gpu.queue.submit([commands.finish()]);
  };
}

export async function checkReplay(gpu: Gpu, checks: Checks, repeats = false): Promise<void> {
  using arena = new CanaryArena(gpu, "replay");
  const { replay, recall, after, remember, draw } = await replayBench(arena, { repeats });
  const episodes = range(EPISODES).map(episodeOf);
  episodes.forEach(remember);
  draw();
  await compareRemembered(arena, replay, episodes, checks);
  await compareRecalled(arena, recall, after, episodes, checks);
  const others = ["replay_draw", "recall", "recall_masks", "recall_states"];
  await arena.check(checks, ["remember", "replay_starts", ...others]);
}

async function checkTargets(gpu: Gpu, checks: Checks): Promise<void> {
  using arena = new CanaryArena(gpu, "targets");
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
}

export const replayCases: readonly Checking[] = [
  { name: "replay: pages are remembered and drawn", check: (gpu, checks) => checkReplay(gpu, checks) },
  { name: "replay: what values are to become", check: checkTargets },
];

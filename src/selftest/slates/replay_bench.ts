/** A replay on the device that remembers made-up episodes and draws pages of them. */

import { keyOf } from "../../data/philox.ts";
import type { Arena } from "../../gpu/arena.ts";
import { Commands } from "../../gpu/commands.ts";
import { type DispatchSpec, Program } from "../../gpu/program.ts";
import { Dimensions } from "../../gpu/sizes.ts";
import type { View } from "../../gpu/memory.ts";
import { StepHeaders, type StepPurpose } from "../../gpu/step.ts";
import { Recall } from "../../policy/learning/recall.ts";
import { Replay } from "../../policy/learning/replay.ts";
import { plain } from "../../simulate/users.ts";
import {
  COLUMNS,
  type Episode,
  EPISODES,
  ITEMS,
  PAGES,
  SLATE,
  START,
  STRIDE,
  USERS,
} from "./replay_episodes.ts";

/** Rows to learn from are all that a batch counts. */
export type Rows = Readonly<Record<"rows", number>>;
export const dimensions = new Dimensions<Rows>(["rows"], "rows");

/** Pages that are drawn. */
export const BATCH = 128;
/** What the words that draw them follow from. */
export const SEED = 12345;
export const ITERATION = 7;

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

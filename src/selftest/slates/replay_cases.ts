/** Kernels that remember pages of simulated users, draw some again, and say what their values are to become. */

import { randomStream } from "../../data/random.ts";
import { Commands } from "../../gpu/commands.ts";
import type { Gpu } from "../../gpu/device.ts";
import { Program } from "../../gpu/program.ts";
import { readViews } from "../../gpu/readback.ts";
import { StepHeaders } from "../../gpu/step.ts";
import { pageReward, qTarget } from "../../policy/learning/q_loss.ts";
import { CanaryArena, floats, range } from "../harness.ts";
import type { Checking, Checks } from "../finding.ts";
import { BATCH, dimensions, replayBench, type Rows } from "./replay_bench.ts";
import { compareRecalled, compareRemembered } from "./replay_compare.ts";
import { episodeOf, EPISODES, PAGES } from "./replay_episodes.ts";

export async function checkReplay(gpu: Gpu, checks: Checks, repeats = false): Promise<void> {
  const arena = new CanaryArena(gpu, "replay");
  try {
    const { replay, recall, after, remember, draw } = await replayBench(arena, { repeats });
    const episodes = range(EPISODES).map(episodeOf);
    episodes.forEach(remember);
    draw();
    await compareRemembered(arena, replay, episodes, checks);
    await compareRecalled(arena, recall, after, episodes, checks);
    const others = ["replay_draw", "recall", "recall_masks", "recall_states"];
    await arena.check(checks, ["remember", "replay_starts", ...others]);
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
  { name: "replay: pages are remembered and drawn", check: (gpu, checks) => checkReplay(gpu, checks) },
  { name: "replay: what values are to become", check: checkTargets },
];

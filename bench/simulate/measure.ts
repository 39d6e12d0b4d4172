/** The measurements of `bench simulate`: all who play the same pages, in turn; and how the time of a page grows. */

import type { Timing } from "../../src/selftest/profile/bench_report.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { Made } from "../../src/gpu/made.ts";
import type { UserModel } from "../../src/model/user_model.ts";
import { timingOf } from "../../src/selftest/profile/timing.ts";
import { CannotError } from "../peers/peer.ts";
import type { Torch } from "../peers/roster.ts";
import { randomPolicy } from "../../src/policy/named.ts";
import { meanReturn } from "../../src/simulate/figures.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { type JobSizes, writeSimulateJob } from "./job.ts";
import {
  type ActingKind,
  PagePlayer,
  PAGES,
  type PageSizes,
  type PageWork,
  profilePages,
  SEED,
  untrainedModel,
} from "./pages.ts";
import {
  type Agreement,
  disagreement,
  type Kind,
  ownRunner,
  peerForms,
  peerName,
  PeerRunner,
  type Runner,
} from "./runners.ts";
import { fitLine, type Line } from "../growth.ts";

/** What one policy brings. */
export interface LearnedReturn {
  readonly name: string;
  /** Pages of all users that it learned from. */
  readonly pages: number;
  /** Mean clicks of a new user over all pages. */
  readonly clicks: number;
}

/** How one who plays pages did. */
export interface Played {
  readonly name: Runner["name"];
  /** That are stepped together. */
  readonly users: number;
  /** Microseconds a page of all of them. */
  readonly timing: Timing;
}

/** Pages of one kind and size. */
export interface SimulateResult extends PageSizes {
  readonly kind: Kind;
  readonly played: readonly Played[];
  /** Of a page of clickgan's, with what is learned after it. */
  readonly flops: number;
  readonly work: readonly PageWork[];
  /** What was learned from as many pages; empty where that is not looked at. */
  readonly returns: readonly LearnedReturn[];
}

/** How a peer compares with clickgan on the same pages, or why it was not timed. */
export interface PeerNote {
  readonly peer: string;
  readonly items: number;
  readonly slate: number;
  readonly note: string;
  readonly wrong: boolean;
  /** How near it comes, if it takes part. */
  readonly agreement?: Agreement;
  /** How far the loss of a lesson is from clickgan's, where one was compared. */
  readonly lossOff?: number;
}

export interface MeasurePlan {
  readonly kinds: readonly Kind[];
  readonly items: readonly number[];
  readonly slates: readonly number[];
  /** Users that are stepped together, at most. */
  readonly users: number;
  /** For all rounds of one who plays. */
  readonly seconds: number;
  readonly rounds: number;
  /** Whose Pythons play, too; without one there are no peers. */
  readonly torches: readonly Torch[];
  /** Pages after which it is looked at what was learned, for the first size; 0 for never. */
  readonly learnedPages: number;
}

/** Users x items of a page, at most, unless users would be fewer than {@link LEAST_USERS}. */
const MOST_PAIRS = 6e6;
const LEAST_USERS = 128;

/** Users that are stepped together: where all items are scored, a page of many takes long enough with fewer. */
export function usersFor(most: number, items: number, kind: Kind): number {
  if (kind === "random") return most;
  return Math.min(most, Math.max(LEAST_USERS, 2 ** Math.floor(Math.log2(MOST_PAIRS / items))));
}

/** All that is planned. */
export async function measureSimulate(
  gpu: Gpu,
  plan: MeasurePlan,
  folder: string,
  say: (text: string) => void,
): Promise<{ results: SimulateResult[]; notes: PeerNote[] }> {
  const results: SimulateResult[] = [];
  const notes: PeerNote[] = [];
  for (const items of plan.items) {
    using made = new Made();
    const model = made.keep(untrainedModel(gpu, items));
    for (const slate of plan.slates) {
      const usersOf = (kind: ActingKind) => usersFor(plan.users, items, kind);
      const users = { random: usersOf("random"), cdqn: usersOf("cdqn"), greedy: usersOf("greedy") };
      const sizes = { items, slate, users };
      const gone = new Set<string>();
      const at = `${items.toLocaleString("en-US")} items, slates of ${slate}`;
      const tell = (text: string) => say(`${at}: ${text}`);
      const file = `${folder}/job.safetensors`;
      const peers = plan.torches.length === 0
        ? []
        : await startPeers(gpu, model, sizes, plan, file, notes, tell);
      try {
        for (const kind of plan.kinds) {
          const left = peers.filter(({ name }) => !gone.has(name));
          const lost = (name: string, why: string) => {
            if (name === "clickgan") return;
            gone.add(name);
            notes.push({ peer: name, items, slate, note: `${kind} ${why}`, wrong: false });
          };
          const own = { items, slate, users: usersFor(plan.users, items, kind) };
          const learnedPages = results.some((one) => one.kind === kind) ? 0 : plan.learnedPages;
          const kindPlan = { ...plan, learnedPages };
          results.push(await measureKind(gpu, model, kind, own, kindPlan, left, lost, tell));
        }
      } finally {
        for (const peer of peers) peer.stop();
      }
    }
  }
  return { results, notes };
}

/** Those that compute what clickgan does. */
async function startPeers(
  gpu: Gpu,
  model: UserModel,
  sizes: JobSizes,
  plan: MeasurePlan,
  file: string,
  notes: PeerNote[],
  say: (text: string) => void,
): Promise<PeerRunner[]> {
  say("what peers are given");
  const lesson = await writeSimulateJob(file, gpu, model, sizes, plan.kinds.includes("learn"));
  const peers: PeerRunner[] = [];
  const all = peerForms.flatMap((form) => plan.torches.map((torch) => ({ form, torch })));
  for (const { form, torch } of all) {
    const name = peerName(form, torch);
    say(`${name} starts`);
    const { items, slate } = sizes;
    const note = (note: string, wrong: boolean, near: Pick<PeerNote, "agreement" | "lossOff"> = {}) =>
      void notes.push({ peer: name, items, slate, note, wrong, ...near });
    try {
      const peer = await PeerRunner.start(form, torch, file);
      const wrong = disagreement(peer.agreement, lesson);
      const { agreement } = peer;
      const lossOff = lesson && agreement.lesson && Math.abs(agreement.lesson.loss - lesson.loss);
      note(wrong ?? peer.note, wrong !== undefined, wrong === undefined ? { agreement, lossOff } : {});
      if (wrong === undefined) peers.push(peer);
      else peer.stop();
    } catch (error) {
      note(error instanceof Error ? error.message : String(error), !(error instanceof CannotError));
    }
  }
  await Deno.remove(file);
  return peers;
}

async function measureKind(
  gpu: Gpu,
  model: UserModel,
  kind: Kind,
  sizes: PageSizes,
  { seconds, rounds, learnedPages }: MeasurePlan,
  peers: readonly PeerRunner[],
  lost: (name: string, why: string) => void,
  say: (text: string) => void,
): Promise<SimulateResult> {
  say(`${kind}, clickgan`);
  using made = new Made();
  const runner = await ownRunner(gpu, model, kind, sizes, made);
  const turn = 1000 * seconds / rounds;
  let playing: { readonly one: Runner; readonly pages: number; readonly samples: number[] }[] = [];
  for (const one of [runner, ...peers.flatMap((peer) => peer.runner(kind, runner.users) ?? [])]) {
    say(`${kind}, first pages of ${one.name}`);
    const pages = await orLost(one, () => pagesFor(one, turn), lost);
    if (pages !== undefined) playing.push({ one, pages, samples: [] });
  }
  // In turn, as a machine that others use is now slower, now faster.
  for (let round = 1; round <= rounds; round++) {
    for (const player of playing) {
      const { one, pages, samples } = player;
      if (round > SLOW_ROUNDS && samples.every((time) => time > 1000 * SLOW * turn)) continue;
      say(`${kind}, round ${round} of ${rounds}, ${one.name}`);
      const ms = await orLost(one, () => one.play(pages), lost);
      if (ms === undefined) playing = playing.filter((other) => other !== player);
      else samples.push(1000 * ms / pages);
    }
  }
  const own = await runner.work();
  const taking = playing.map(({ one }) => one);
  const returns = kind === "learn" && learnedPages > 0
    ? [
      { name: "random slates", pages: 0, clicks: await randomClicks(gpu, model, sizes) } as const,
      ...await measureReturns(taking, learnedPages, lost, say),
    ]
    : [];
  return {
    returns,
    ...{ ...sizes, users: runner.users, kind, flops: own.reduce((sum, { flops }) => sum + flops, 0) },
    work: await profilePages(gpu, own, rounds),
    played: playing.map(({ one: { name, users }, samples }) => ({ name, users, timing: timingOf(samples) })),
  };
}

/** What random slates bring: what nothing learned comes to. */
async function randomClicks(
  gpu: Gpu,
  model: UserModel,
  { users, slate }: PageSizes,
): Promise<number> {
  using simulator = await Simulator.create(gpu, new LearnedSource(model), {
    ...{ users, slate, pages: PAGES, seed: SEED },
  });
  return meanReturn(await simulator.run(randomPolicy));
}

/** All learn from `pages` pages in the whole, and show what they learned to new users. @param lost is told of who cannot. */
async function measureReturns(
  runners: readonly Runner[],
  pages: number,
  lost: (name: string, why: string) => void,
  say: (text: string) => void,
): Promise<LearnedReturn[]> {
  const returns: LearnedReturn[] = [];
  for (const runner of runners) {
    const { name, play, learned } = runner;
    if (!learned) continue;
    const found = await orLost(runner, async () => {
      while (learned.pages() < pages) {
        say(`${name} has learned from ${learned.pages()} of ${pages} pages`);
        await play(Math.min(STRETCH, pages - learned.pages()));
      }
      return { name, pages: learned.pages(), clicks: await learned.clicks() };
    }, lost);
    if (found) returns.push(found);
  }
  return returns;
}
/** Pages between two words on the progress. */
const STRETCH = 100;

/** Nothing where a peer takes too long: its process is ended then, and others go on. */
async function orLost<T>(
  { name }: Runner,
  work: () => Promise<T>,
  lost: (name: string, why: string) => void,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CannotError)) throw error;
    lost(name, error.message);
    return undefined;
  }
}

/** Pages that take about a turn; the first ones, which compile or try out, are done. @param turn milliseconds */
export async function pagesFor({ play }: Pick<Runner, "play">, turn: number): Promise<number> {
  let ms = await play(1);
  let pages = 1;
  if (ms > SLOW * turn) return pages;
  ms = await play(pages);
  while (ms < turn / 3 && pages < MOST_PAGES) {
    pages = Math.min(MOST_PAGES, Math.max(2 * pages, Math.ceil(Math.min(8 * pages, pages * turn / ms))));
    ms = await play(pages);
  }
  return Math.max(1, Math.min(MOST_PAGES, Math.round(pages * turn / ms)));
}
/** A page of so many turns is slow: it is not tried again, and has fewer rounds. */
const SLOW = 10;
const SLOW_ROUNDS = 3;
const MOST_PAGES = 2 ** 16;

/** One size after another, all others fixed, and the line through it. */
export interface SimulateGrowth {
  readonly axis: string;
  readonly points: readonly { readonly x: number; readonly microseconds: number }[];
  /** Microseconds a page by what is counted along the axis. */
  readonly line: Line;
}

/** @param base the smallest sizes: each axis goes on from there. */
export async function measureSimulateGrowth(
  gpu: Gpu,
  base: PageSizes,
  seconds: number,
  rounds: number,
  say: (text: string) => void,
): Promise<SimulateGrowth[]> {
  const axes: [axis: keyof PageSizes, values: number[]][] = [
    ["users", [1, 2, 4, 8].map((times) => times * base.users)],
    ["items", [1, 2, 4, 8].map((times) => times * base.items)],
    ["slate", [1, 2, 3, 4].map((times) => times * base.slate)],
  ];
  const growth: SimulateGrowth[] = [];
  for (const [axis, values] of axes) {
    using made = new Made();
    const players: { play: PagePlayer["play"]; pages: number; samples: number[] }[] = [];
    for (const value of values) {
      say(`growth in ${axis}: ${value}`);
      const sizes = { ...base, [axis]: value };
      const model = made.keep(untrainedModel(gpu, sizes.items));
      const player = made.keep(await PagePlayer.create(gpu, model, "cdqn", sizes));
      const play = (pages: number) => player.play(pages);
      const pages = await pagesFor({ play }, 1000 * seconds / rounds);
      players.push({ play, pages, samples: [] });
    }
    for (let round = 1; round <= rounds; round++) {
      for (const { play, pages, samples } of players) samples.push(1000 * await play(pages) / pages);
    }
    const points = players.map(({ samples }, k) => ({
      x: values[k] ?? NaN,
      microseconds: timingOf(samples).median,
    }));
    growth.push({ axis, points, line: fitLine(points.map(({ x, microseconds: y }) => ({ x, y }))) });
  }
  return growth;
}

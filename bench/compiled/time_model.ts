/**
 * GPUs for which kernels are compiled, a graphics card for each GPU, and a model of the time of a dispatch on the card.
 * The model uses the compiled kernel, the card's data sheet and the dispatch's sizes. It ignores caches, bank conflicts,
 * uncoalesced loads and clock drops, and is not yet tested on a card (bench/compiled.md). The time is the largest of
 *
 *   memory   = bytes that must be read or written at least once / bandwidth
 *   vector   = cycles per 64 lanes (the compiler's inverse throughput) x lanes / 64 / number of SIMDs
 *   latency  = cycles of a subgroup x number of batches of subgroups that a SIMD runs one after another
 *   launch   = a constant per dispatch
 *
 * The compiler's cycles assume 8 iterations per loop and 4 per nested loop. The model scales the cycles to the number of
 * iterations that the op's FLOPs need, by the numbers of instructions inside and outside of loops.
 */

import { getAssumedTurns } from "./assembly.ts";
import type { CompiledFacts } from "./report.ts";

export interface GpuCard {
  /** RADV's name of the GPU, as in the variable RADV_FORCE_FAMILY. */
  readonly family: string;
  readonly architecture: string;
  readonly name: string;
  /** Matches the names by which drivers report the card. */
  readonly known: RegExp;
  readonly computeUnits: number;
  /** Number of SIMDs per compute unit. A SIMD issues the vector instructions of its subgroups. */
  readonly simds: number;
  /** GHz for sustained work in the data sheet: "game clock" or "peak engine clock". */
  readonly clock: number;
  /** Bandwidth of the card's memory, without caches, in GB/s. */
  readonly bandwidth: number;
  /** Number of vector registers per SIMD, each of 64 lanes. */
  readonly registers: number;
  readonly slots: number;
  /** Lanes that RADV counts as one subgroup: 32 on RDNA, where a subgroup of 64 lanes counts as two, and 64 on CDNA. */
  readonly counted: number;
  readonly source: string;
}

/** Microseconds between dependent dispatches. The number is an assumption for all cards: data sheets do not have it. */
export const LAUNCH_US = 3;

const amd = "https://www.amd.com/en/products";
/** Known cards. Registers and slots are from Mesa 25.0.7, the other data from AMD's data sheets. */
export const cards: readonly GpuCard[] = [
  {
    family: "navi31",
    architecture: "RDNA3",
    name: "Radeon RX 7900 XTX",
    known: /7900 XTX|NAVI31/i,
    ...{ computeUnits: 96, simds: 2, clock: 2.3, bandwidth: 960 },
    ...{ registers: 768, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/7000-series/amd-radeon-rx-7900xtx.html`,
  },
  {
    family: "navi21",
    architecture: "RDNA2",
    name: "Radeon RX 6900 XT",
    known: /6900 XT|NAVI21/i,
    ...{ computeUnits: 80, simds: 2, clock: 2.015, bandwidth: 512 },
    ...{ registers: 512, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/6000-series/amd-radeon-rx-6900-xt.html`,
  },
  {
    family: "gfx1201",
    architecture: "RDNA4",
    name: "Radeon RX 9070 XT",
    known: /9070 XT|GFX1201/i,
    ...{ computeUnits: 64, simds: 2, clock: 2.4, bandwidth: 640 },
    ...{ registers: 512, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/9000-series/amd-radeon-rx-9070xt.html`,
  },
  {
    family: "mi200",
    architecture: "CDNA2",
    name: "Instinct MI210",
    known: /MI210|MI200/i,
    ...{ computeUnits: 104, simds: 4, clock: 1.7, bandwidth: 1638 },
    ...{ registers: 256, slots: 10, counted: 64 },
    source: `${amd}/accelerators/instinct/mi200/mi210.html`,
  },
];

/** Returns the card of a GPU. @throws Error if the GPU is unknown. */
export function getCard(family: string): GpuCard {
  const card = cards.find((one) => one.family === family);
  if (!card) throw new Error(`expected one of ${cards.map((one) => one.family).join(", ")}, got ${family}`);
  return card;
}

export function findCard(description: string): GpuCard | undefined {
  return cards.find(({ known }) => known.test(description));
}

export interface DispatchWork {
  readonly workgroups: number;
  readonly flops: number;
  readonly bytes: number;
}

const bounds = ["memory", "vector", "latency", "launch"] as const;
export type TimeBound = typeof bounds[number];

export interface TimeEstimate extends Readonly<Record<TimeBound, number>> {
  readonly us: number;
  readonly bound: TimeBound;
}

/** Returns the number of instructions that a subgroup runs, divided by the number that the compiler assumed. */
function computeExtraTurns({ byDepth, loop }: CompiledFacts, flopsPerLane: number): number {
  if (!loop || loop.flops === 0) return 1;
  const scale = flopsPerLane / loop.flops / getAssumedTurns(loop.depth);
  const run = (turns: (depth: number) => number) =>
    byDepth.reduce((sum, count, depth) => sum + count * turns(depth), 0);
  return run((depth) => depth === 0 ? 1 : Math.max(1, scale * getAssumedTurns(depth))) / run(getAssumedTurns);
}

export function estimateTime(
  card: GpuCard,
  facts: CompiledFacts,
  { workgroups, flops, bytes }: DispatchWork,
): TimeEstimate {
  const [invocations] = facts.lanes;
  const lanes = workgroups * invocations;
  const simds = card.computeUnits * card.simds;
  const cyclesPerUs = 1000 * card.clock;
  const turns = lanes === 0 ? 1 : computeExtraTurns(facts, flops / lanes);
  const subgroups = workgroups * Math.ceil(invocations / facts.subgroup);
  const held = Math.max(1, facts.subgroups * card.counted / facts.subgroup);
  const times = {
    memory: bytes / (1000 * card.bandwidth),
    vector: lanes / 64 * facts.inverseThroughput * turns / simds / cyclesPerUs,
    latency: Math.ceil(Math.ceil(subgroups / simds) / held) * facts.latency * turns / cyclesPerUs,
    launch: LAUNCH_US,
  };
  const bound = bounds.reduce((most, one) => times[one] > times[most] ? one : most);
  return { ...times, us: times[bound], bound };
}

/** Returns the sum of the dispatches' microseconds per step, in total and by bound. */
export function sumEstimates(
  dispatches: readonly { readonly estimate: TimeEstimate; readonly steps: number }[],
): { us: number; by: Record<TimeBound, number> } {
  const by = { memory: 0, vector: 0, latency: 0, launch: 0 };
  for (const { estimate: { bound, us }, steps } of dispatches) by[bound] += us / steps;
  return { us: Object.values(by).reduce((sum, us) => sum + us, 0), by };
}

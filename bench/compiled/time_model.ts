/**
 * The GPUs that are compiled for, each with a card by its data sheet, and how long a kernel would take there.
 *
 * It is a model of time that can be wrong: how long a dispatch would take on a card, by what its compiled text, the card's data
 * sheet and the sizes at hand say. It knows of no cache, no bank conflict, no uncoalesced load and no clock that drops. It is
 * there to be judged by the first card that measures: bench/compiled.md.
 *
 *   memory   = bytes that have to move at least once / bandwidth
 *   vector   = 64 lanes' cycles of the compiler (inverse throughput) x lanes / 64, over all SIMDs
 *   latency  = a subgroup's cycles from begin to end x how many that a SIMD cannot hold at once follow one another
 *   launch   = the same for every dispatch
 *
 * and the time is the largest of them. The compiler's cycles assume 8 turns of a loop and 4 of one inside it for each; here
 * they are scaled to the turns that the op's FLOPs need, by the instructions in loops and outside of them.
 */

import { getAssumedTurns } from "./assembly.ts";
import type { CompiledFacts } from "./report.ts";

/** A GPU, and a card that has it. */
export interface GpuCard {
  /** Name of the GPU family, for RADV_FORCE_FAMILY. */
  readonly family: string;
  readonly architecture: string;
  readonly name: string;
  /** Pattern of the adapter names that drivers report. */
  readonly known: RegExp;
  readonly computeUnits: number;
  /** SIMDs per compute unit. Each issues the vector instructions of its subgroups. */
  readonly simds: number;
  /** GHz that the data sheet names for sustained work: game clock, peak engine clock. */
  readonly clock: number;
  /** GB/s of its memory; caches in front of it are not reckoned with. */
  readonly bandwidth: number;
  /** Vector registers of a SIMD, by subgroups of 64 lanes. */
  readonly registers: number;
  /** Subgroups that a SIMD holds at most. */
  readonly slots: number;
  /** Lanes that a SIMD of RDNA has; of a subgroup of 64 RADV counts both halves. CDNA: a subgroup is one. */
  readonly counted: number;
  readonly source: string;
}

/**
 * Microseconds from one dispatch to the next that waits for it. No data sheet has it: it is assumed, the same for all.
 */
export const LAUNCH_US = 3;

const amd = "https://www.amd.com/en/products";
/** Registers and slots are what Mesa 25.0.7 reckons with; all else is of AMD's data sheets. */
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

/** The card of a GPU. @throws Error for one that is not among them. */
export function getCard(family: string): GpuCard {
  const card = cards.find((one) => one.family === family);
  if (!card) throw new Error(`expected one of ${cards.map((one) => one.family).join(", ")}, got ${family}`);
  return card;
}

/** The card that an adapter is, by its driver's name. */
export function findCard(description: string): GpuCard | undefined {
  return cards.find(({ known }) => known.test(description));
}

/** What a dispatch is asked to do. */
export interface DispatchWork {
  readonly workgroups: number;
  readonly flops: number;
  readonly bytes: number;
}

const bounds = ["memory", "vector", "latency", "launch"] as const;
export type TimeBound = typeof bounds[number];

/** Microseconds. */
export interface TimeEstimate extends Readonly<Record<TimeBound, number>> {
  readonly us: number;
  readonly bound: TimeBound;
}

/** By how much more instructions a subgroup runs than the compiler assumed. */
function computeExtraTurns({ byDepth, loop }: CompiledFacts, flopsALane: number): number {
  if (!loop || loop.flops === 0) return 1;
  const scale = flopsALane / loop.flops / getAssumedTurns(loop.depth);
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
  const cyclesAUs = 1000 * card.clock;
  const turns = lanes === 0 ? 1 : computeExtraTurns(facts, flops / lanes);
  const subgroups = workgroups * Math.ceil(invocations / facts.subgroup);
  const held = Math.max(1, facts.subgroups * card.counted / facts.subgroup);
  const times = {
    memory: bytes / (1000 * card.bandwidth),
    vector: lanes / 64 * facts.inverseThroughput * turns / simds / cyclesAUs,
    latency: Math.ceil(Math.ceil(subgroups / simds) / held) * facts.latency * turns / cyclesAUs,
    launch: LAUNCH_US,
  };
  const bound = bounds.reduce((most, one) => times[one] > times[most] ? one : most);
  return { ...times, us: times[bound], bound };
}

/** Microseconds of all dispatches, and of those that each thing bounds. */
export function sumEstimates(
  dispatches: readonly { readonly reckoning: TimeEstimate; readonly steps: number }[],
): { us: number; by: Record<TimeBound, number> } {
  const by = { memory: 0, vector: 0, latency: 0, launch: 0 };
  for (const { reckoning: { bound, us }, steps } of dispatches) by[bound] += us / steps;
  return { us: Object.values(by).reduce((sum, us) => sum + us, 0), by };
}

/**
 * Estimates the time of a dispatch on each graphics card for which kernels are compiled. No estimate was
 * compared with a measurement (bench/compiled.md). The time is launch + max(memory, vector, latency):
 *   launch  = {@link LAUNCH_US}
 *   memory  = bytes / bandwidth of the memory, or of the last cache if the training step's data fit into it
 *   vector  = time of one SIMD to issue all vector instructions / number of SIMDs
 *   latency = time of the SIMD with the most subgroups, including waits for loads
 * Instructions and waits are counted in the machine code. The estimate assumes that only one loop repeats,
 * the innermost loop with the most arithmetic. The loop's number of iterations is FLOPs per invocation /
 * FLOPs per iteration. The model ignores bank conflicts, uncoalesced loads and clock drops.
 */

import { getAssumedTurns, timeCode } from "./assembly.ts";
import type { CompiledFacts } from "./report.ts";

export interface GpuCard {
  /** RADV's name of the GPU, as in the variable RADV_FORCE_FAMILY. */
  readonly family: string;
  readonly architecture: string;
  readonly name: string;
  /** Matches the names by which drivers report the card. */
  readonly known: RegExp;
  readonly computeUnits: number;
  readonly simds: number;
  /** Number of compute units that share a workgroup: 2 on RDNA, because RADV spreads a workgroup over two. */
  readonly together: number;
  /** Number of lanes that a SIMD processes per cycle. */
  readonly lanes: number;
  /** Clock in GHz, called "game clock" or "peak engine clock" in data sheets. */
  readonly clock: number;
  /** Bandwidth of the card's memory, without caches, in GB/s. */
  readonly bandwidth: number;
  /** Size (MiB) and assumed bandwidth (GB/s) of the last-level cache. */
  readonly cache: { readonly mib: number; readonly bandwidth: number };
  /** Number of vector registers per SIMD, counted as registers of 64 lanes. */
  readonly registers: number;
  readonly slots: number;
  /** Subgroup size that RADV's statistic "Subgroups per SIMD" assumes: 64 lanes on CDNA, 32 on RDNA. */
  readonly counted: number;
  readonly source: string;
}

/** Assumed microseconds between dependent dispatches. Data sheets do not state this time. */
export const LAUNCH_US = 3;

/** Assumed number of cycles until a load from memory has arrived, on all cards. */
export const LOAD_CYCLES = 420;
const WORKGROUP_LOAD_CYCLES = 130;

const amd = "https://www.amd.com/en/products";
/** Graphics cards: `registers` and `slots` are from Mesa 25.0.7, all other data from AMD's data sheets. */
export const cards: readonly GpuCard[] = [
  {
    family: "navi31",
    architecture: "RDNA3",
    name: "Radeon RX 7900 XTX",
    known: /7900 XTX|NAVI31/i,
    ...{ computeUnits: 96, simds: 2, together: 2, lanes: 32, clock: 2.3, bandwidth: 960 },
    cache: { mib: 96, bandwidth: 2500 },
    ...{ registers: 768, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/7000-series/amd-radeon-rx-7900xtx.html`,
  },
  {
    family: "navi21",
    architecture: "RDNA2",
    name: "Radeon RX 6900 XT",
    known: /6900 XT|NAVI21/i,
    ...{ computeUnits: 80, simds: 2, together: 2, lanes: 32, clock: 2.015, bandwidth: 512 },
    cache: { mib: 128, bandwidth: 1600 },
    ...{ registers: 512, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/6000-series/amd-radeon-rx-6900-xt.html`,
  },
  {
    family: "gfx1201",
    architecture: "RDNA4",
    name: "Radeon RX 9070 XT",
    known: /9070 XT|GFX1201/i,
    ...{ computeUnits: 64, simds: 2, together: 2, lanes: 32, clock: 2.4, bandwidth: 640 },
    cache: { mib: 64, bandwidth: 2000 },
    ...{ registers: 512, slots: 16, counted: 32 },
    source: `${amd}/graphics/desktops/radeon/9000-series/amd-radeon-rx-9070xt.html`,
  },
  {
    family: "mi200",
    architecture: "CDNA2",
    name: "Instinct MI210",
    known: /MI210|MI200/i,
    ...{ computeUnits: 104, simds: 4, together: 1, lanes: 16, clock: 1.7, bandwidth: 1638 },
    cache: { mib: 8, bandwidth: 3500 },
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

/** Workgroups of a dispatch that do the same kind of work. `flops` is their total number of FLOPs. */
export interface DispatchPart {
  readonly workgroups: number;
  readonly flops: number;
}

export interface DispatchWork {
  readonly parts: readonly DispatchPart[];
  readonly bytes: number;
  /** Size in bytes of all data that the training step uses, not only of this dispatch's data. */
  readonly workingSet: number;
}

export const bounds = ["memory", "vector", "latency", "launch"] as const;
export type TimeBound = typeof bounds[number];

/** Microseconds. `us` is launch + max(memory, vector, latency); `bound` names the longest of these four. */
export interface TimeEstimate extends Readonly<Record<TimeBound, number>> {
  readonly us: number;
  readonly bound: TimeBound;
}

/** Returns a subgroup's cycles: `issue` to issue vector instructions, `alone` for a run alone on a SIMD. */
function computeSubgroupCycles(
  { lanes }: GpuCard,
  { loop, subgroup, ...all }: CompiledFacts,
  flopsPerInvocation: number,
): { issue: number; alone: number } {
  const vector = Math.max(1, subgroup / lanes);
  const cycles = { vector, memory: LOAD_CYCLES, near: WORKGROUP_LOAD_CYCLES };
  const alone = timeCode(all, cycles);
  if (!loop) return { issue: vector * all.vectorInstructions, alone };
  const turns = loop.flops === 0 ? getAssumedTurns(loop.depth) : Math.max(1, flopsPerInvocation / loop.flops);
  const turn = timeCode(loop, cycles, 2) - timeCode(loop, cycles);
  return {
    issue: vector * (all.vectorInstructions + (turns - 1) * loop.vectorInstructions),
    alone: alone + (turns - 1) * turn,
  };
}

/** Estimates the time of a dispatch. @param facts - the compiler's statistics of the kernel */
export function estimateTime(
  card: GpuCard,
  facts: CompiledFacts,
  { parts, bytes, workingSet }: DispatchWork,
): TimeEstimate {
  const [invocations] = facts.lanes;
  const each = Math.ceil(invocations / facts.subgroup);
  const unitSimds = card.simds * card.together;
  const units = card.computeUnits / card.together;
  const held = Math.max(1, facts.subgroups * card.counted / facts.subgroup);
  const working = parts.filter(({ workgroups }) => workgroups > 0).map(({ workgroups, flops }) => {
    const { issue, alone } = computeSubgroupCycles(card, facts, flops / (workgroups * invocations));
    /** Number of subgroups on the busiest SIMD. `own`: number of one workgroup's subgroups on a SIMD. */
    const busiest = Math.ceil(Math.ceil(workgroups / units) * each / unitSimds);
    const own = Math.ceil(each / unitSimds);
    const rounds = Math.ceil(busiest / Math.max(own, held));
    return {
      vector: workgroups * each * issue / (units * unitSimds),
      latency: Math.max(busiest * issue, rounds * ((own - 1) * issue + alone)),
    };
  });
  const us = (cycles: number) => cycles / (1000 * card.clock);
  const { mib, bandwidth } = card.cache;
  const times = {
    memory: bytes / (1000 * (workingSet <= mib * 2 ** 20 ? bandwidth : card.bandwidth)),
    vector: us(working.reduce((sum, { vector }) => sum + vector, 0)),
    latency: us(Math.max(0, ...working.map(({ latency }) => latency))),
    launch: LAUNCH_US,
  };
  const bound = bounds.reduce((most, one) => times[one] > times[most] ? one : most);
  return { ...times, us: getWork(times) + times.launch, bound };
}

function getWork({ memory, vector, latency }: Readonly<Record<TimeBound, number>>): number {
  return Math.max(memory, vector, latency);
}

/** Sums the dispatches' microseconds per training step, in total and by cause (memory, launch, ...). */
export function sumEstimates(
  dispatches: readonly { readonly estimate: TimeEstimate; readonly steps: number }[],
): { us: number; by: Record<TimeBound, number> } {
  const by = { memory: 0, vector: 0, latency: 0, launch: 0 };
  for (const { estimate, steps } of dispatches) {
    const work = getWork(estimate);
    const most = bounds.find((one) => one !== "launch" && estimate[one] === work) ?? "latency";
    by[most] += work / steps;
    by.launch += estimate.launch / steps;
  }
  return { us: Object.values(by).reduce((sum, us) => sum + us, 0), by };
}

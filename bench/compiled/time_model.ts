/**
 * A model of time that can be wrong: how long a dispatch would take on a card, by what its compiled text, the card's data
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

import { assumedTurns } from "./assembly.ts";
import { type Card, LAUNCH_US } from "./cards.ts";
import type { Facts } from "./report.ts";

/** What a dispatch is asked to do. */
export interface Work {
  readonly workgroups: number;
  readonly flops: number;
  readonly bytes: number;
}

const bounds = ["memory", "vector", "latency", "launch"] as const;
export type Bound = typeof bounds[number];

/** Microseconds. */
export interface Reckoning extends Readonly<Record<Bound, number>> {
  readonly us: number;
  readonly bound: Bound;
}

/** By how much more instructions a subgroup runs than the compiler assumed. */
function turnsOf({ byDepth, loop }: Facts, flopsALane: number): number {
  if (!loop || loop.flops === 0) return 1;
  const scale = flopsALane / loop.flops / assumedTurns(loop.depth);
  const run = (turns: (depth: number) => number) =>
    byDepth.reduce((sum, count, depth) => sum + count * turns(depth), 0);
  return run((depth) => depth === 0 ? 1 : Math.max(1, scale * assumedTurns(depth))) / run(assumedTurns);
}

export function reckon(card: Card, facts: Facts, { workgroups, flops, bytes }: Work): Reckoning {
  const [invocations] = facts.lanes;
  const lanes = workgroups * invocations;
  const simds = card.computeUnits * card.simds;
  const cyclesAUs = 1000 * card.clock;
  const turns = lanes === 0 ? 1 : turnsOf(facts, flops / lanes);
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
export function sumOf(
  dispatches: readonly { readonly reckoning: Reckoning; readonly steps: number }[],
): { us: number; by: Record<Bound, number> } {
  const by = { memory: 0, vector: 0, latency: 0, launch: 0 };
  for (const { reckoning: { bound, us }, steps } of dispatches) by[bound] += us / steps;
  return { us: Object.values(by).reduce((sum, us) => sum + us, 0), by };
}

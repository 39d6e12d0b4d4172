/** Computes an adapter's roofline (Williams et al. 2009): its attainable rate as a function of FLOPs per byte. */

import type { Cost } from "../gpu/program.ts";
import type { AdapterMeasurement } from "./bench_report.ts";

/** Measured limits of an adapter: peak rates, and the shortest time of a dispatch. */
export interface RooflineCeilings {
  /** Peak rate of arithmetic in GFLOP/s. */
  readonly flops: number;
  /** Peak rate of memory in GB/s. */
  readonly bandwidth: number;
  /** Duration of an empty dispatch in microseconds. */
  readonly floor: number;
  /** Smallest number of invocations that keeps the adapter busy; 0 if not measured. */
  readonly busy: number;
}

export interface RooflinePosition {
  /** Rate of arithmetic in GFLOP/s; 0 for work without arithmetic. */
  readonly gflops: number;
  readonly gbs: number;
  /** Arithmetic intensity: FLOPs per byte read or written; undefined for work without memory accesses. */
  readonly intensity: number | undefined;
  /** Share, 0..1, of the rate attainable at this intensity; undefined for work without FLOPs and bytes. */
  readonly share: number | undefined;
  /** Cause of most of the time: launch, latency (too few invocations), memory, or arithmetic. */
  readonly bound: "launch" | "latency" | "memory" | "arithmetic";
}

/** A dispatch counts as bound by its launch if it takes less than LAUNCH times an empty one's time. */
const LAUNCH = 2;
/** Dispatches that reach this share of the attainable rate do not count as bound by latency. */
const NEAR = 0.5;

/** Computes where a dispatch or copy lies in the roofline model. @param invocations - absent for a copy */
export function computeRooflinePosition(
  { flops, bytes }: Cost,
  microseconds: number,
  ceilings: RooflineCeilings,
  invocations = Infinity,
): RooflinePosition {
  const [arithmetic, memory] = [flops / ceilings.flops / 1000, bytes / ceilings.bandwidth / 1000];
  const least = Math.max(arithmetic, memory);
  const bound = () => {
    if (microseconds < LAUNCH * ceilings.floor) return "launch";
    if (invocations < ceilings.busy && least < NEAR * microseconds) return "latency";
    return arithmetic > memory ? "arithmetic" : "memory";
  };
  return {
    gflops: flops / microseconds / 1000,
    gbs: bytes / microseconds / 1000,
    intensity: bytes > 0 ? flops / bytes : undefined,
    share: least > 0 ? least / microseconds : undefined,
    bound: bound(),
  };
}

/** Returns the attainable rate, in GFLOP/s, at an intensity in FLOPs per byte. */
export function computeAttainable(intensity: number, { flops, bandwidth }: RooflineCeilings): number {
  return Math.min(flops, intensity * bandwidth);
}

/** Names of the probes from which the roofline is computed. */
export const FMA = "multiply-add";
export const COPIES = [["copy, 4 MiB", 2 ** 22], ["copy, 128 MiB", 2 ** 27]] as const;
export const FLOOR = "empty dispatch in a pass";
/** Name of the probe that finds how many invocations keep the adapter busy. Old reports lack this probe. */
export const BUSY = "invocations that keep it busy";

/**
 * Returns the ceilings of the roofline from the fastest sample of each probe. Two probes copy memory
 * (4 MiB and 128 MiB); the faster one defines the bandwidth.
 */
export function findCeilings(probes: readonly AdapterMeasurement[]): RooflineCeilings {
  const best = (name: string) => {
    const probe = probes.find((probe) => probe.name === name);
    if (!probe) {
      throw new Error(`Expected a result of the probe ${name}, found none. Run the benchmark again.`);
    }
    return probe.best;
  };
  return {
    flops: best(FMA),
    bandwidth: Math.max(...COPIES.map(([name]) => best(name))),
    floor: best(FLOOR),
    busy: probes.find(({ name }) => name === BUSY)?.best ?? 0,
  };
}

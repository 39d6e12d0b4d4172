/** The roofline (Williams et al. 2009): an adapter's fastest rate by intensity (FLOPs per byte), from probes. */

import type { Cost } from "../gpu/program.ts";
import type { AdapterMeasurement } from "./bench_report.ts";

/** Best probes of an adapter. */
export interface RooflineCeilings {
  /** GFLOP/s */
  readonly flops: number;
  /** GB/s */
  readonly bandwidth: number;
  /** Microseconds of an empty dispatch. */
  readonly floor: number;
  /** Invocations that keep the adapter busy; 0 if not measured. */
  readonly busy: number;
}

export interface RooflinePosition {
  /** 0 for work without arithmetic. */
  readonly gflops: number;
  readonly gbs: number;
  /** FLOPs per byte; undefined for work that moves no bytes. */
  readonly intensity: number | undefined;
  /** Share of the fastest rate at this intensity, 0..1; undefined for work without cost. */
  readonly share: number | undefined;
  /** The limit: launching a dispatch, too few invocations to hide latency, moving bytes, or arithmetic. */
  readonly bound: "launch" | "latency" | "memory" | "arithmetic";
}

/** A dispatch that takes less than this many times an empty one is bound by its launch. */
const LAUNCH = 2;
/** Work that reaches this share of the roofline is bound by it, however few its invocations. */
const NEAR = 0.5;

/** @param microseconds that the work took. @param invocations that share it; a copy has none and hides all latency. */
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

/** Returns the attainable GFLOP/s at an intensity. */
export function computeAttainable(intensity: number, { flops, bandwidth }: RooflineCeilings): number {
  return Math.min(flops, intensity * bandwidth);
}

/** Names of the probes behind the roofline. */
export const FMA = "multiply-add";
export const COPIES = [["copy, 4 MiB", 2 ** 22], ["copy, 128 MiB", 2 ** 27]] as const;
export const FLOOR = "empty dispatch in a pass";
/** A kernel of fewer invocations leaves parts of the adapter idle. Reports of earlier versions lack it. */
export const BUSY = "invocations that keep it busy";

/**
 * Returns the ceilings of the roofline from the best samples, so that a slow moment of the machine does not flatter a
 * kernel's share. The faster copy counts: data that fits the caches comes from there in a step too.
 */
export function findCeilings(probes: readonly AdapterMeasurement[]): RooflineCeilings {
  const best = (name: string) => {
    const probe = probes.find((probe) => probe.name === name);
    if (!probe) {
      throw new Error(`Expected the adapter's probe ${name}, got none. Run the benchmark again.`);
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

/**
 * The roofline (Williams, Waterman and Patterson 2009): what an adapter can do at most with work of a given intensity,
 * in FLOPs a byte.
 */

import type { Cost } from "../gpu/program.ts";

/** The best that was measured on an adapter. */
export interface Ceilings {
  /** GFLOP/s */
  readonly flops: number;
  /** GB/s */
  readonly bandwidth: number;
  /** Microseconds that an empty dispatch takes. */
  readonly floor: number;
}

export interface Standing {
  /** 0 for work without arithmetic. */
  readonly gflops: number;
  readonly gbs: number;
  /** FLOPs a byte; undefined for work that moves nothing. */
  readonly intensity: number | undefined;
  /** Of the most that the adapter does at this intensity, 0..1; undefined for work that costs nothing. */
  readonly share: number | undefined;
  /** What keeps it from being faster: the launch of a dispatch, moving bytes, or arithmetic. */
  readonly bound: "launch" | "memory" | "arithmetic";
}

/** Dispatches of less than so many floors are ruled by their launch. */
const LAUNCH = 2;

/** @param microseconds that the work took. */
export function standing({ flops, bytes }: Cost, microseconds: number, ceilings: Ceilings): Standing {
  const [arithmetic, memory] = [flops / ceilings.flops / 1000, bytes / ceilings.bandwidth / 1000];
  const least = Math.max(arithmetic, memory);
  return {
    gflops: flops / microseconds / 1000,
    gbs: bytes / microseconds / 1000,
    intensity: bytes > 0 ? flops / bytes : undefined,
    share: least > 0 ? least / microseconds : undefined,
    bound: microseconds < LAUNCH * ceilings.floor ? "launch" : arithmetic > memory ? "arithmetic" : "memory",
  };
}

/** GFLOP/s that are to be had at an intensity. */
export function attainable(intensity: number, { flops, bandwidth }: Ceilings): number {
  return Math.min(flops, intensity * bandwidth);
}

/**
 * The roofline (Williams, Waterman and Patterson 2009): what an adapter can do at most with work of a given intensity,
 * in FLOPs a byte; and the figures of an adapter that it is made of.
 */

import type { Cost } from "../gpu/program.ts";
import type { AdapterFigure } from "./bench_report.ts";

/** The best that was measured on an adapter. */
export interface RooflineCeilings {
  /** GFLOP/s */
  readonly flops: number;
  /** GB/s */
  readonly bandwidth: number;
  /** Microseconds that an empty dispatch takes. */
  readonly floor: number;
  /** Invocations that keep the adapter busy; 0 where nobody has measured it. */
  readonly busy: number;
}

export interface RooflinePosition {
  /** 0 for work without arithmetic. */
  readonly gflops: number;
  readonly gbs: number;
  /** FLOPs a byte; undefined for work that moves nothing. */
  readonly intensity: number | undefined;
  /** Of the most that the adapter does at this intensity, 0..1; undefined for work that costs nothing. */
  readonly share: number | undefined;
  /** What keeps it from being faster: the launch of a dispatch, too few invocations to wait for, moving bytes, or arithmetic. */
  readonly bound: "launch" | "latency" | "memory" | "arithmetic";
}

/** Dispatches of less than so many floors are ruled by their launch. */
const LAUNCH = 2;
/** What reaches this share of the roofline is ruled by it, however few its invocations. */
const NEAR = 0.5;

/**
 * @param microseconds that the work took.
 * @param invocations that share it; a copy has none, and waits for nobody.
 */
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

/** GFLOP/s that are to be had at an intensity. */
export function computeAttainable(intensity: number, { flops, bandwidth }: RooflineCeilings): number {
  return Math.min(flops, intensity * bandwidth);
}

/** Names of the figures that the roofline is made of. */
export const FMA = "multiply-add";
export const COPIES = [["copy, 4 MiB", 2 ** 22], ["copy, 128 MiB", 2 ** 27]] as const;
export const FLOOR = "empty dispatch in a pass";
/** A kernel of fewer leaves some of the adapter idle. Reports of earlier versions do not have it. */
export const BUSY = "invocations that keep it busy";

/**
 * The ceilings of the roofline: the best samples, so that no kernel's share is flattered by a slow moment of the
 * machine. Of the copies the faster one: what fits the caches comes from there in a step too.
 */
export function findCeilings(figures: readonly AdapterFigure[]): RooflineCeilings {
  const best = (name: string) => {
    const figure = figures.find((figure) => figure.name === name);
    if (!figure) throw new Error(`expected the adapter's figure ${name}, found none`);
    return figure.best;
  };
  return {
    flops: best(FMA),
    bandwidth: Math.max(...COPIES.map(([name]) => best(name))),
    floor: best(FLOOR),
    busy: figures.find(({ name }) => name === BUSY)?.best ?? 0,
  };
}

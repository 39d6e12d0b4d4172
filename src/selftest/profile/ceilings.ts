/** The figures of an adapter, and the ceilings of the roofline among them. */

import type { AdapterFigure } from "./bench_report.ts";
import type { Ceilings } from "./roofline.ts";

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
export function ceilingsOf(figures: readonly AdapterFigure[]): Ceilings {
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

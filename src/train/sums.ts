/** What the device sums over a batch, and the means that follow. */

import type { ChoiceFigures } from "../data/ranking.ts";

/** Sums over events, as the device's ring holds them. */
export interface OutcomeSums {
  readonly nll: number;
  readonly prec1: number;
  readonly prec2: number;
  /** Events with a click. */
  readonly clicks: number;
}

export function sumsAt(ring: Float32Array, slot: number): OutcomeSums {
  const [nll = NaN, prec1 = NaN, prec2 = NaN, clicks = NaN] = ring.subarray(4 * slot, 4 * slot + 4);
  return { nll, prec1, prec2, clicks };
}

/** Loss over all events, precision over those with a click (NaN without one). */
export function means(sums: OutcomeSums, events: number): ChoiceFigures {
  return { nll: sums.nll / events, prec1: sums.prec1 / sums.clicks, prec2: sums.prec2 / sums.clicks };
}

/** Logarithmic axes whose ticks all have a label, however little or much they span. */

import type { Scale } from "chart.js";
import type { axis } from "./options.ts";

/** First digits of the ticks of a decade, from few to many. */
const DIGITS = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8]];
/** Ticks that an axis has at least. */
const FEW = 4;

export function logarithmicAxis<T extends ReturnType<typeof axis>>(common: T) {
  return {
    type: "logarithmic" as const,
    ...common,
    ticks: { ...common.ticks, callback: (tick: number | string) => shortNumber(Number(tick)) },
    afterBuildTicks: (scale: Scale) => {
      scale.ticks = ticksBetween(scale.min, scale.max).map((value) => ({ value }));
    },
  };
}

/** @param min above 0 */
export function ticksBetween(min: number, max: number): number[] {
  const decades = [];
  for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power++) decades.push(10 ** power);
  let ticks: number[] = [];
  for (const digits of DIGITS) {
    ticks = decades.flatMap((decade) => digits.map((digit) => Number((digit * decade).toPrecision(2))))
      .filter((tick) => tick >= min && tick <= max);
    if (ticks.length >= FEW) return ticks;
  }
  return ticks.length > 2 ? ticks : evenTicks(min, max);
}

/** Ticks of an axis that spans less than a factor of two: at steps of 1, 2 or 5. */
function evenTicks(min: number, max: number): number[] {
  const least = (max - min) / FEW;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
  const count = Math.floor(max / step) - Math.ceil(min / step) + 1;
  return Array.from({ length: count }, (_, k) => Number(((Math.ceil(min / step) + k) * step).toPrecision(6)));
}

/** At most four figures, and thousands as k, millions as M. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  const [scale, unit] = size >= 1e6 ? [1e6, "M"] : size >= 1e4 ? [1e3, "k"] : [1, ""];
  return Number((value / scale).toPrecision(4)).toLocaleString("en-US", { maximumSignificantDigits: 4 }) +
    unit;
}

/** Places in a chart: those of values, of ticks, and of the names of lines across it. */

type Range = readonly [number, number];

export class AxisScale {
  constructor(readonly values: Range, private readonly places: Range) {}

  /** Where a value stands. */
  at(value: number): number {
    const [[from, to], [start, end]] = [this.values, this.places];
    return start + (value - from) / (to - from) * (end - start);
  }

  /** Which value stands at a place. */
  from(place: number): number {
    return new AxisScale(this.places, this.values).at(place);
  }
}

/** A little more than all values span. */
export function computeAxisRange(values: readonly number[]): Range {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.length === 0) return [0, 1];
  const [min, max] = [Math.min(...finite), Math.max(...finite)];
  const room = 0.05 * (max - min || 1);
  return [min - room, max + room];
}

/** Values in a range at steps of 1, 2 or 5, some `count` of them. */
export function computeTicks([min, max]: Range, count: number): number[] {
  const least = (max - min) / count;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
  const first = Math.ceil(min / step);
  const ticks = Math.floor(max / step) - first + 1;
  return Array.from({ length: ticks }, (_, k) => Number(((first + k) * step).toPrecision(6)));
}

/** Between the feet of two names, at least. */
const LINE = 13;

/** Feet of the names of levels, each above its line and the names below it; what would be cut at the top is left out. */
export function placeNames(
  levels: readonly { readonly name: string; readonly at: number }[],
): { readonly name: string; readonly foot: number }[] {
  let taken = Infinity;
  return levels.toSorted((a, b) => b.at - a.at).flatMap(({ name, at }) => {
    const foot = Math.min(at - 3, taken - LINE);
    if (foot < LINE) return [];
    taken = foot;
    return [{ name, foot }];
  });
}

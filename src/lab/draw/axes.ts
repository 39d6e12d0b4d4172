/** Computes where a chart shows values, ticks and the names of lines. */

type Range = readonly [number, number];

export class AxisScale {
  constructor(readonly values: Range, private readonly pixels: Range) {}

  /** Returns the position of a value in pixels. */
  at(value: number): number {
    const [[from, to], [start, end]] = [this.values, this.pixels];
    return start + (value - from) / (to - from) * (end - start);
  }

  /** Returns the value at a pixel position. */
  from(pixel: number): number {
    return new AxisScale(this.pixels, this.values).at(pixel);
  }
}

/** Returns the range of values with a margin of 5 % at both ends. */
export function computeAxisRange(values: readonly number[]): Range {
  const finite = values.filter((value) => Number.isFinite(value));
  if (finite.length === 0) return [0, 1];
  const [min, max] = [Math.min(...finite), Math.max(...finite)];
  const room = 0.05 * (max - min || 1);
  return [min - room, max + room];
}

/** Returns about `count` ticks in a range, at a distance of 1, 2 or 5 times a power of ten. */
export function computeTicks([min, max]: Range, count: number): number[] {
  const least = (max - min) / count;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
  const first = Math.ceil(min / step);
  const ticks = Math.floor(max / step) - first + 1;
  return Array.from({ length: ticks }, (_, k) => Number(((first + k) * step).toPrecision(6)));
}

/** Smallest vertical distance between the names of two lines in a chart, in pixels. */
const LINE = 13;

/** Computes the bottom edge `foot` (y) of names beside lines at y = `at`; omits names that find no room. */
export function layOutNames(
  levels: readonly { readonly name: string; readonly at: number }[],
): { readonly name: string; readonly foot: number }[] {
  let taken = Infinity;
  return levels.toSorted((a, b) => b.at - a.at).flatMap(({ name, at }) => {
    const foot = Math.min(at + 4, taken - LINE);
    if (foot < LINE) return [];
    taken = foot;
    return [{ name, foot }];
  });
}

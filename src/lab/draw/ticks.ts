/** Ticks of an axis. No imports. */

/** Values in a range at steps of 1, 2 or 5, some `count` of them. */
export function evenTicks([min, max]: readonly [number, number], count: number): number[] {
  const least = (max - min) / count;
  const decade = 10 ** Math.floor(Math.log10(least));
  const step = decade * ([1, 2, 5].find((digit) => digit * decade >= least) ?? 10);
  const first = Math.ceil(min / step);
  const ticks = Math.floor(max / step) - first + 1;
  return Array.from({ length: ticks }, (_, k) => Number(((first + k) * step).toPrecision(6)));
}

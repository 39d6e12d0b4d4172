/** What is said of several times of the same work. */

/** Microseconds. */
export interface Timing {
  readonly median: number;
  readonly min: number;
  /** Quartiles: half of the samples are between them. */
  readonly lower: number;
  readonly upper: number;
  readonly samples: number;
  /** By how much each sample may be off because of the clock; absent where that is next to nothing. */
  readonly error?: number;
}

/** @throws Error without samples. */
export function timingOf(values: readonly number[]): Timing {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    if (below === undefined || above === undefined) throw new Error("expected samples, got none");
    return below + (above - below) * (place - Math.floor(place));
  };
  return { median: at(0.5), min: at(0), lower: at(0.25), upper: at(0.75), samples: sorted.length };
}

/**
 * How sure a median is, in microseconds more or less: half of the distance between the quartiles, or the clock's error if that
 * is more.
 */
export function sureness({ lower, upper, error = 0 }: Timing): number {
  return Math.max((upper - lower) / 2, error);
}

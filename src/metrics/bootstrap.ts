/**
 * Bootstrap over users: estimates how much metrics would differ on other users.
 *
 * The events of a user are not independent, so users are resampled instead of events. To bound time and
 * memory, users are assigned to {@link MOST_GROUPS} groups, and whole groups are resampled. If there are
 * fewer users, each user is a group. Two models with the same users get the same resamples, so differences
 * are paired. With 1000 groups, the standard error is accurate to about 1 / sqrt(2 * 1000), or 2 %.
 */

import { createRandomStream } from "../data/random.ts";

export const MOST_GROUPS = 1000;
const RESAMPLES = 1000;
/** Seed of the resamples: the same set of users always has the same resamples. */
const SEED = 1;

/** Interval that contains 95 % of the resampled values. */
export type Interval = readonly [low: number, high: number];

/** Number of columns that are summed at once: eight sums fit in the CPU's registers. */
const SIDE_BY_SIDE = 8;

export class Bootstrap {
  /** Groups in resample b: `#drawn[k]`, `#times[k]` times each, for `#starts[b]` <= k < `#starts[b + 1]`. */
  readonly #drawn: Uint16Array;
  readonly #times: Uint8Array;
  readonly #starts: Uint32Array;

  constructor(readonly groups: number, readonly resamples: number = RESAMPLES) {
    const random = createRandomStream(SEED, "bootstrap", groups);
    const drawn = new Uint16Array(resamples * groups);
    const times = new Uint8Array(resamples * groups);
    this.#starts = new Uint32Array(resamples + 1);
    let end = 0;
    for (let b = 0; b < resamples; b++) {
      const weights = new Uint8Array(groups);
      for (let k = 0; k < groups; k++) {
        const group = random.integer(groups);
        weights[group] = weights[group]! + 1;
      }
      for (let group = 0; group < groups; group++) {
        if (weights[group] === 0) continue;
        drawn[end] = group;
        times[end++] = weights[group]!;
      }
      this.#starts[b + 1] = end;
    }
    this.#drawn = drawn.slice(0, end);
    this.#times = times.slice(0, end);
  }

  /** Computes each resample's column totals. @param sums - [groups, columns] @returns [resamples, columns] */
  totals(sums: Float64Array, columns: number): Float64Array {
    const { groups, resamples } = this;
    const out = new Float64Array(resamples * columns);
    const block = new Float64Array(groups * SIDE_BY_SIDE);
    const some = Array.from({ length: columns }, (_, c) => c).filter((c) => {
      for (let k = c; k < sums.length; k += columns) if (sums[k] !== 0) return true;
      return false;
    });
    for (let first = 0; first < some.length; first += SIDE_BY_SIDE) {
      const own = some.slice(first, first + SIDE_BY_SIDE);
      for (let g = 0; g < groups; g++) {
        for (let c = 0; c < own.length; c++) block[g * SIDE_BY_SIDE + c] = sums[g * columns + own[c]!]!;
      }
      this.#sumResamples(block, own, out, columns);
    }
    return out;
  }

  /** Computes up to 8 columns of `out`. @param block - sums [groups, 8] @param own - columns in `out` */
  #sumResamples(block: Float64Array, own: readonly number[], out: Float64Array, columns: number): void {
    const [drawn, times, starts] = [this.#drawn, this.#times, this.#starts];
    for (let b = 0; b < this.resamples; b++) {
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
      const end = starts[b + 1]!;
      for (let k = starts[b]!; k < end; k++) {
        const at = drawn[k]! * SIDE_BY_SIDE;
        const n = times[k]!;
        s0 += n * block[at]!;
        s1 += n * block[at + 1]!;
        s2 += n * block[at + 2]!;
        s3 += n * block[at + 3]!;
        s4 += n * block[at + 4]!;
        s5 += n * block[at + 5]!;
        s6 += n * block[at + 6]!;
        s7 += n * block[at + 7]!;
      }
      const sums = [s0, s1, s2, s3, s4, s5, s6, s7];
      own.forEach((column, k) => out[b * columns + column] = sums[k]!);
    }
  }
}

const bootstraps = new Map<string, Bootstrap>();

export function getBootstrap(groups: number, resamples?: number): Bootstrap {
  const key = `${groups} ${resamples}`;
  const found = bootstraps.get(key) ?? new Bootstrap(groups, resamples);
  bootstraps.set(key, found);
  return found;
}

/** Returns the values' 2.5 % and 97.5 % quantiles; null if groups < 2, or if most values are NaN. */
export function computeInterval(values: Float64Array, groups: number): Interval | null {
  const ascending = values.filter((value) => !Number.isNaN(value)).sort();
  if (groups < 2 || ascending.length < values.length / 2) return null;
  return [quantile(ascending, 0.025), quantile(ascending, 0.975)];
}

function quantile(ascending: Float64Array, share: number): number {
  const rank = share * (ascending.length - 1);
  const low = ascending[Math.floor(rank)]!;
  return low + (rank % 1) * (ascending[Math.ceil(rank)]! - low);
}

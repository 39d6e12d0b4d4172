/**
 * How far figures of test users would differ on other users: the bootstrap over users.
 *
 * The events of a user are not independent of each other, so users are drawn, not events. All that is needed of them are
 * sums: a resample is a weight a group of users, and every scoring of the same users gets the same weights, so that
 * differences are paired. Users are dealt into at most {@link MOST_GROUPS} groups, one a user where there are fewer: time
 * and memory do not grow with the users, and the standard error is off by about 1 / sqrt(2 groups), 2 % of it.
 */

import { randomStream } from "../data/random.ts";

export const MOST_GROUPS = 1000;
const RESAMPLES = 1000;
/** The same users get the same resamples, whatever is measured on them. */
const SEED = 1;

/** Bounds between which 95 % of the resamples are. */
export type Interval = readonly [low: number, high: number];

/** Resamples of groups of users. */
export class Bootstrap {
  /** [resamples, groups] how often each group is drawn. */
  readonly #weights: Uint8Array;

  /** Draws: each resample has as many groups as there are, some of them several times. */
  constructor(readonly groups: number, readonly resamples: number = RESAMPLES) {
    this.#weights = new Uint8Array(resamples * groups);
    const random = randomStream(SEED, "bootstrap", groups);
    for (let b = 0; b < resamples; b++) {
      for (let k = 0; k < groups; k++) {
        const place = b * groups + random.integer(groups);
        this.#weights[place] = (this.#weights[place] ?? 0) + 1;
      }
    }
  }

  /**
   * The column totals of each resample.
   * @param sums [groups, columns] @returns [resamples, columns]
   */
  totals(sums: Float64Array, columns: number): Float64Array {
    const { groups, resamples } = this;
    const weights = this.#weights;
    const out = new Float64Array(resamples * columns);
    for (let b = 0; b < resamples; b++) {
      for (let g = 0; g < groups; g++) {
        const weight = weights[b * groups + g]!;
        if (weight === 0) continue;
        const [to, from] = [b * columns, g * columns];
        for (let c = 0; c < columns; c++) out[to + c] = out[to + c]! + weight * sums[from + c]!;
      }
    }
    return out;
  }
}

const bootstraps = new Map<string, Bootstrap>();

/** The same groups get the same resamples: all that is compared on them is paired. */
export function bootstrapOf(groups: number, resamples?: number): Bootstrap {
  const key = `${groups} ${resamples}`;
  const found = bootstraps.get(key) ?? new Bootstrap(groups, resamples);
  bootstraps.set(key, found);
  return found;
}

/** The middle 95 % of resampled values; null for fewer than two groups, or a figure that most resamples have none of. */
export function intervalOf(values: Float64Array, groups: number): Interval | null {
  if (groups < 2) return null;
  const present = values.slice().sort(); // not a number comes last
  let count = present.length;
  while (count > 0 && Number.isNaN(present[count - 1])) count--;
  if (count < values.length / 2) return null;
  const numbers = present.subarray(0, count);
  return [quantile(numbers, 0.025), quantile(numbers, 0.975)];
}

/** Between the two values next to it, in proportion. @param ascending not empty */
function quantile(ascending: Float64Array, share: number): number {
  const place = share * (ascending.length - 1);
  const below = Math.floor(place);
  const low = ascending[below]!;
  return low + (place - below) * ((ascending[below + 1] ?? low) - low);
}

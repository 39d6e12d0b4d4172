import jstat from "jstat";
import { meanAndSd } from "./mean_sd.ts";

/** Mean of the differences a - b, one per seed, with its 95 % confidence interval by Student's t. */
export interface PairedDifference {
  readonly mean: number;
  /** Both limits are infinite for a single seed, which gives no estimate of the spread. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** @param a, b metrics of the same seeds in the same order. @throws RangeError for lists of different lengths, or none */
export function computePairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  const count = a.length;
  if (count === 0 || count !== b.length) {
    throw new RangeError(`expected figures of the same seeds, got ${count} and ${b.length}`);
  }
  const { mean, sd } = meanAndSd(a.map((x, k) => x - (b[k] ?? NaN)));
  if (count === 1) return { mean, low: -Infinity, high: Infinity, count };
  const quantile: number = jstat.studentt.inv(0.975, count - 1);
  const half = quantile * sd / Math.sqrt(count);
  return { mean, low: mean - half, high: mean + half, count };
}

import jstat from "jstat";
import { meanAndSd } from "./mean_sd.ts";

/** Mean difference a - b over seeds, and 95 % confidence interval of the mean (Student's t). */
export interface PairedDifference {
  readonly mean: number;
  /** Lower limit of the interval. With a single seed, the variance is unknown and the limits are infinite. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** @param a, b: measurements; a[k] and b[k] share a seed. @throws RangeError for empty or unequal lists. */
export function computePairedDifference(a: readonly number[], b: readonly number[]): PairedDifference {
  const count = a.length;
  if (count === 0 || count !== b.length) {
    throw new RangeError(`expected non-empty lists of equal length, got ${count} and ${b.length} values`);
  }
  const { mean, sd } = meanAndSd(a.map((x, k) => x - (b[k] ?? NaN)));
  if (count === 1) return { mean, low: -Infinity, high: Infinity, count };
  const quantile: number = jstat.studentt.inv(0.975, count - 1);
  const half = quantile * sd / Math.sqrt(count);
  return { mean, low: mean - half, high: mean + half, count };
}

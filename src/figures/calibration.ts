/** Whether what is said to happen with a probability of p happens in a share p of the cases. */

import { type Bootstrap, type Interval, intervalOf } from "./bootstrap.ts";

/** Cells of the log-odds, from -8 to 8; what lies beyond is in the outermost. */
const CELLS = 64;
const CELLS_A_UNIT = 4;
/** Bins of a reliability diagram, of about the same number of cases. */
const BINS = 10;
/** Cases, the sum of their probabilities, and how many came about. */
const SUMS = 3;

/** A bin of a reliability diagram. */
export interface ReliabilityBin {
  /** How many cases it holds. */
  readonly cases: number;
  /** Mean of the probabilities. */
  readonly predicted: number;
  /** Share that came about. */
  readonly observed: number;
  /** Of `observed`. */
  readonly interval: Interval | null;
}

/** How far probabilities are from what came about. */
export interface Calibration {
  /** Expected calibration error: the mean of |predicted - observed| of the bins, by their cases. */
  readonly ece: number;
  /** What chance alone makes of it on so many users, were the probabilities right. */
  readonly eceByChance: number | null;
  /** By rising probability. */
  readonly bins: readonly ReliabilityBin[];
}

/** Where a probability is added. */
export function cellOf(probability: number): number {
  const odds = Math.log(probability / (1 - probability));
  return Math.min(CELLS - 1, Math.max(0, Math.floor(CELLS_A_UNIT * odds) + CELLS / 2));
}

/** Cases by their probability, and by group of users. */
export class CalibrationSums {
  readonly #sums: Float64Array;

  constructor(private readonly groups: number) {
    this.#sums = new Float64Array(groups * CELLS * SUMS);
  }

  /** @param cell of the probability: {@link cellOf} */
  add(group: number, cell: number, probability: number, happened: boolean): void {
    const place = SUMS * (group * CELLS + cell);
    const sums = this.#sums;
    sums[place] = sums[place]! + 1;
    sums[place + 1] = sums[place + 1]! + probability;
    if (happened) sums[place + 2] = sums[place + 2]! + 1;
  }

  /** Undefined without a case. @param bootstrap over the groups; without it there are no intervals. */
  calibration(bootstrap?: Bootstrap): Calibration | undefined {
    const { sums, bins: count } = this.#binned();
    if (count === 0) return undefined;
    const columns = count * SUMS;
    const all = new Float64Array(columns);
    sums.forEach((value, k) => all[k % columns] = all[k % columns]! + value);
    const cases = Array.from({ length: count }, (_, bin) => all[SUMS * bin]!);
    const total = cases.reduce((sum, n) => sum + n, 0);
    const resampled = bootstrap?.totals(sums, columns);
    const of = (totals: Float64Array, from: number, bin: number, what: 1 | 2) =>
      totals[from + SUMS * bin + what]! / totals[from + SUMS * bin]!;
    /** @param value of the resample whose totals begin there. */
    const spread = (value: (totals: Float64Array, from: number) => number) => {
      if (!resampled) return undefined;
      const values = new Float64Array(resampled.length / columns);
      for (let b = 0; b < values.length; b++) values[b] = value(resampled, b * columns);
      return values;
    };
    let [ece, byChance] = [0, 0];
    const bins = cases.map((n, bin): ReliabilityBin => {
      const [predicted, observed] = [of(all, 0, bin, 1), of(all, 0, bin, 2)];
      ece += n / total * Math.abs(predicted - observed);
      const errors = spread((totals, from) => of(totals, from, bin, 2) - of(totals, from, bin, 1));
      if (errors) byChance += n / total * Math.sqrt(2 / Math.PI) * deviation(errors);
      const shares = spread((totals, from) => of(totals, from, bin, 2));
      const interval = shares ? intervalOf(shares, this.groups) : null;
      return { cases: n, predicted, observed, interval };
    });
    return { ece, eceByChance: bootstrap && this.groups > 1 ? byChance : null, bins };
  }

  /** Neighbouring cells together, so that each bin has its share of the cases. @returns sums [groups, bins, 3] */
  #binned(): { sums: Float64Array; bins: number } {
    const cases = new Float64Array(CELLS);
    for (let k = 0; k < this.groups * CELLS; k++) {
      cases[k % CELLS] = cases[k % CELLS]! + this.#sums[SUMS * k]!;
    }
    const total = cases.reduce((sum, n) => sum + n, 0);
    const binOf = new Uint8Array(CELLS);
    let [bin, inBin] = [0, 0];
    for (let cell = 0; cell < CELLS; cell++) {
      if (inBin > 0 && inBin >= total / BINS) [bin, inBin] = [bin + 1, 0];
      binOf[cell] = bin;
      inBin += cases[cell]!;
    }
    const bins = total === 0 ? 0 : bin + (inBin > 0 ? 1 : 0);
    const sums = new Float64Array(this.groups * bins * SUMS);
    for (let k = 0; k < this.groups * CELLS && bins > 0; k++) {
      if (this.#sums[SUMS * k] === 0) continue;
      const place = SUMS * (Math.floor(k / CELLS) * bins + binOf[k % CELLS]!);
      for (let s = 0; s < SUMS; s++) sums[place + s] = sums[place + s]! + this.#sums[SUMS * k + s]!;
    }
    return { sums, bins };
  }
}

/** Standard deviation of the values that are numbers; 0 for fewer than two. */
function deviation(values: Float64Array): number {
  const present = values.filter((value) => !Number.isNaN(value));
  if (present.length < 2) return 0;
  const mean = present.reduce((sum, x) => sum + x, 0) / present.length;
  return Math.sqrt(present.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (present.length - 1));
}

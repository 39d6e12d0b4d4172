/** Whether what is said to happen with a probability of p happens in a share p of the cases. */

import { meanAndSd } from "../data/mean_sd.ts";
import { type Bootstrap, computeInterval, type Interval } from "./bootstrap.ts";

/** Cells of the log-odds, from -8 to 8; what lies beyond is in the outermost. Narrow, as bins are made of whole cells. */
const CELLS = 1024;
const CELLS_A_UNIT = 64;
/** Most bins of a reliability diagram: of a tenth of the cases each, but for what lies in one cell. */
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
export interface ProbabilityCalibration {
  /** Expected calibration error: the mean of |predicted - observed| of the bins, by their cases. */
  readonly ece: number;
  /** What chance alone makes of it on so many users, were the probabilities right. */
  readonly eceByChance: number | null;
  /** By rising probability. */
  readonly bins: readonly ReliabilityBin[];
}

/** Where a probability is added. */
export function findBin(probability: number): number {
  const odds = Math.log(probability / (1 - probability));
  return Math.min(CELLS - 1, Math.max(0, Math.floor(CELLS_A_UNIT * odds) + CELLS / 2));
}

/** Cases by their probability, and by group of users. */
export class CalibrationSums {
  /** [groups, 3] of each cell that has a case: most of a model's probabilities are in few cells. */
  readonly #sums: (Float64Array | undefined)[] = Array.from({ length: CELLS });

  constructor(private readonly groups: number) {}

  /** @param cell of the probability: {@link findBin} */
  add(group: number, cell: number, probability: number, happened: boolean): void {
    const sums = this.#sums[cell] ??= new Float64Array(this.groups * SUMS);
    const place = SUMS * group;
    sums[place] = sums[place]! + 1;
    sums[place + 1] = sums[place + 1]! + probability;
    if (happened) sums[place + 2] = sums[place + 2]! + 1;
  }

  /** Undefined without a case. @param bootstrap over the groups; without it there are no intervals. */
  calibration(bootstrap?: Bootstrap): ProbabilityCalibration | undefined {
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
      const interval = shares ? computeInterval(shares, this.groups) : null;
      return { cases: n, predicted, observed, interval };
    });
    return { ece, eceByChance: bootstrap && this.groups > 1 ? byChance : null, bins };
  }

  /** Neighbouring cells together, so that each bin has its share of the cases. @returns sums [groups, bins, 3] */
  #binned(): { sums: Float64Array; bins: number } {
    const cells = this.#sums.filter((own) => own !== undefined);
    const cases = cells.map((own) => {
      let sum = 0;
      for (let k = 0; k < own.length; k += SUMS) sum += own[k]!;
      return sum;
    });
    const total = cases.reduce((sum, n) => sum + n, 0);
    let before = 0;
    /** A cell goes where its middle is, of all cases in their order. */
    const places = cases.map((n) => Math.floor(BINS * ((before += n) - n / 2) / total));
    const used = [...new Set(places)];
    const bins = used.length;
    const sums = new Float64Array(this.groups * bins * SUMS);
    cells.forEach((own, c) => {
      const bin = used.indexOf(places[c]!);
      for (let group = 0; group < this.groups; group++) {
        const from = SUMS * group;
        if (own[from] === 0) continue; // most groups have no case in a cell
        const to = SUMS * (group * bins + bin);
        for (let k = 0; k < SUMS; k++) sums[to + k] = sums[to + k]! + own[from + k]!;
      }
    });
    return { sums, bins };
  }
}

/** Standard deviation of the values that are numbers; 0 for fewer than two. */
function deviation(values: Float64Array): number {
  const { sd } = meanAndSd([...values.filter((value) => !Number.isNaN(value))]);
  return Number.isNaN(sd) ? 0 : sd;
}

/** Calibration of click probabilities. A case is a probability with its outcome: click or no click. */

import { meanAndSd } from "../data/mean_sd.ts";
import { type Bootstrap, computeInterval, type Interval } from "./bootstrap.ts";

/** Number of histogram cells for log-odds from -8 to 8. Other log-odds count in the first or last cell. */
const CELLS = 1024;
const CELLS_A_UNIT = 64;
/** Largest number of bins in a reliability diagram. A bin has about a tenth of all cases. */
const BINS = 10;
/** A histogram cell has 3 sums: of its cases, of their predicted probabilities, and of their clicks. */
const SUMS = 3;

export interface ReliabilityBin {
  readonly cases: number;
  /** Mean predicted probability. */
  readonly predicted: number;
  /** Share of the cases in which the click happened. */
  readonly observed: number;
  /** 95 % confidence interval of `observed`. */
  readonly interval: Interval | null;
}

export interface ProbabilityCalibration {
  /** Expected calibration error: mean of |predicted - observed| over bins, weighted by numbers of cases. */
  readonly ece: number;
  /** ECE that perfectly calibrated probabilities would have by chance, for the same number of cases. */
  readonly eceByChance: number | null;
  readonly bins: readonly ReliabilityBin[];
}

export function findBin(probability: number): number {
  const odds = Math.log(probability / (1 - probability));
  return Math.min(CELLS - 1, Math.max(0, Math.floor(CELLS_A_UNIT * odds) + CELLS / 2));
}

/** Number of cases, sum of predictions and number of clicks, per histogram cell and user group. */
export class CalibrationSums {
  /** [groups, 3] sums of each histogram cell; undefined for a cell without cases (most have none). */
  readonly #sums: (Float64Array | undefined)[] = Array.from({ length: CELLS });

  constructor(private readonly groups: number) {}

  /** Adds a predicted case. @param cell - histogram cell of the probability: {@link findBin} */
  add(group: number, cell: number, probability: number, happened: boolean): void {
    const sums = this.#sums[cell] ??= new Float64Array(this.groups * SUMS);
    const at = SUMS * group;
    sums[at] = sums[at]! + 1;
    sums[at + 1] = sums[at + 1]! + probability;
    if (happened) sums[at + 2] = sums[at + 2]! + 1;
  }

  /**
   * Computes the calibration; undefined without cases. @param bootstrap - resamples of the groups; if absent,
   * the bins have no intervals
   */
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
    /** Computes `value` for each resample, whose sums begin at `totals[from]`. */
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

  /** Merges neighbouring cells into bins with similar numbers of cases. @returns sums [groups, bins, 3] */
  #binned(): { sums: Float64Array; bins: number } {
    const cells = this.#sums.filter((own) => own !== undefined);
    const cases = cells.map((own) => {
      let sum = 0;
      for (let k = 0; k < own.length; k += SUMS) sum += own[k]!;
      return sum;
    });
    const total = cases.reduce((sum, n) => sum + n, 0);
    let before = 0;
    /** Decile (0 to 9) of each histogram cell: that of the cell's middle case if all cases are ordered. */
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

/** Returns the standard deviation of all values that are not NaN; 0 for fewer than two such values. */
function deviation(values: Float64Array): number {
  const { sd } = meanAndSd([...values.filter((value) => !Number.isNaN(value))]);
  return Number.isNaN(sd) ? 0 : sd;
}

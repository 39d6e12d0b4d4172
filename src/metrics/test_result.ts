/**
 * Test metrics of a model or baseline with intervals, and paired differences between models with the same
 * test users. Metrics are computed from a model's scores for all items that the test users saw.
 *
 * Differences between separate runs are also paired. Each run stores metric sums per group of users (about 30
 * KB per snapshot), and the bootstrap draws the same groups for both runs.
 */

import { type Bootstrap, computeInterval, getBootstrap, type Interval } from "./bootstrap.ts";
import type { ProbabilityCalibration } from "./probability_calibration.ts";
import { column, columns, computeMetric, metricNames } from "./metric_columns.ts";
import type { MetricName, SliceKey } from "./metric_columns.ts";

/** Metric values. For scores that only rank items, the loss and other probability metrics are absent. */
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

/** 95 % bootstrap intervals over users; null if there are too few users. */
export type MetricIntervals = Readonly<Partial<Record<MetricName, Interval | null>>>;

export interface MeasuredSums {
  readonly metrics: MetricValues;
  readonly intervals: MetricIntervals;
  /** Each metric's values in all resamples. */
  readonly resampled: ReadonlyMap<MetricName, Float64Array>;
}

/** Metrics of a slice (a subset) of the events. */
export interface MetricSlice extends Pick<MeasuredSums, "metrics" | "intervals"> {
  /** Name of the slice, such as "3-4" for page lengths. */
  readonly name: string;
  readonly events: number;
  readonly users: number;
  /** Expected calibration error of the click probabilities of displayed items. */
  readonly ece?: number;
}

/** All test metrics of a snapshot or baseline, stored as `details` in result.json. */
export interface MetricDetails extends Pick<MeasuredSums, "metrics" | "intervals"> {
  /** Calibration of P(click on a displayed item) and P(no click); absent for a ranking. */
  readonly calibration?: {
    readonly click?: ProbabilityCalibration;
    readonly noClick?: ProbabilityCalibration;
  };
  /** Name of the item field that contains the categories; absent for items without categories. */
  readonly categoryField?: string;
  /** Slices with at least one event, by kind of slices. */
  readonly slices: Readonly<Partial<Record<SliceKey, readonly MetricSlice[]>>>;
}

/** Difference in a metric between two models or baselines with the same test users. */
export interface MetricGap {
  readonly value: number;
  readonly interval: Interval | null;
}
/** Differences between two models or baselines in all metrics that both have. */
export type MetricDifferences = Readonly<Partial<Record<MetricName, MetricGap>>>;

/**
 * Computes values, intervals and resampled values of metrics. @param sums - [groups, columns] @param names -
 * metrics to compute; metrics without a value are omitted
 */
export function measure(
  sums: Float64Array,
  bootstrap: Bootstrap,
  names: readonly MetricName[],
): MeasuredSums {
  const totals = new Float64Array(columns);
  sums.forEach((value, k) => totals[k % columns] = totals[k % columns]! + value);
  const drawn = bootstrap.totals(sums, columns);
  const metrics: Partial<Record<MetricName, number>> = {};
  const intervals: Partial<Record<MetricName, Interval | null>> = {};
  const resampled = new Map<MetricName, Float64Array>();
  for (const name of names) {
    const [value = NaN] = computeMetric(name, totals);
    if (Number.isNaN(value)) continue;
    const values = computeMetric(name, drawn);
    metrics[name] = value;
    intervals[name] = computeInterval(values, bootstrap.groups);
    resampled.set(name, values);
  }
  return { metrics, intervals, resampled };
}

interface Comparable extends Pick<MeasuredSums, "resampled"> {
  readonly details: Pick<MetricDetails, "metrics">;
  /** Number of groups of users that are resampled. */
  readonly groups: number;
}

/** Metrics of a model or baseline on the test users, and the column sums per group of users. */
export interface TestResult extends Comparable {
  readonly details: MetricDetails;
  /** [groups, columns] sums of each column over the users of each group. */
  readonly sums: Float64Array;
  readonly users: string;
}

/** Metric of a model without generator that is compared with a generator's metric, by the latter's name. */
const REWARD_METRICS: Readonly<Partial<Record<MetricName, MetricName>>> = {
  piPrec1: "prec1",
  piPrec2: "prec2",
};
/** Metrics that describe only the data, and do not depend on a model's scores. */
const OBSERVED: readonly MetricName[] = ["noClick", "clicked"];

/** Computes metric differences between two models or baselines with the same test users. */
export function compareScorings(one: Comparable, other: Comparable): MetricDifferences {
  const found: Partial<Record<MetricName, MetricGap>> = {};
  for (const name of metricNames.filter((name) => !OBSERVED.includes(name))) {
    const to = other.resampled.has(name) ? name : REWARD_METRICS[name] ?? name;
    const own = difference(one, name, other, to);
    if (own) found[name] = own;
  }
  return found;
}

/**
 * Smallest number of user groups for the interval of a difference. The interval excludes 0 if all n groups
 * differ in the same direction. By chance alone, this happens with probability 2 / 2^n, above 5 % for n < 6.
 */
const LEAST_GROUPS = 6;

/**
 * Computes the difference between two test results in a metric; undefined if a result lacks the metric. With
 * too few users, the difference's interval is null.
 */
function difference(
  one: Comparable,
  name: MetricName,
  other: Comparable,
  to: MetricName,
): MetricGap | undefined {
  const [a, b] = [one.details.metrics[name], other.details.metrics[to]];
  const [ofA, ofB] = [one.resampled.get(name), other.resampled.get(to)];
  if (a === undefined || b === undefined || !ofA || !ofB) return undefined;
  const interval = one.groups < LEAST_GROUPS
    ? null
    : computeInterval(ofA.map((x, k) => x - ofB[k]!), one.groups);
  return { value: a - b, interval };
}

/** Columns whose sums are stored, in storage order. */
const STORED = ["events", "clicks", "nll", "prec1", "prec2", "piPrec1"] as const;
const STORED_METRICS: readonly MetricName[] = ["nll", "prec1", "prec2", "piPrec1"];

/** Metric sums of a snapshot or baseline in result.json, for paired comparison with other runs. */
export interface StoredSums {
  /** Hash of the users and their events; see {@link UsersHash}. */
  readonly users: string;
  /** Number of groups of users that are resampled. */
  readonly groups: number;
  /** Base64 of float32 [groups, events|clicks|nll|prec1|prec2|piPrec1], little-endian; NaN if missing. */
  readonly sums: string;
}

/** Hash of page lengths and click positions of all users, in order. */
export class UsersHash {
  #high = 0x811c9dc5;
  #low = 0x2f0b4c47;

  /** Adds an unsigned 32-bit integer to the hash. */
  add(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 15), 0x5bd1e995);
  }

  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

export function packSums({ users, groups, sums }: TestResult): StoredSums {
  const stored = Float32Array.from(
    Array.from({ length: groups }, (_, g) => STORED.map((name) => sums[g * columns + column[name]]!)).flat(),
  );
  return { users, groups, sums: new Uint8Array(stored.buffer).toBase64() };
}

/** Sums of a model's test metrics, unpacked from `result.json` for comparison with another model. */
export interface LoadedSums extends Comparable {
  readonly users: string;
}

/**
 * Loads the stored metric sums of several evaluations (e.g. one per seed) and merges them into one
 * evaluation. @returns undefined if the evaluations have different users, or if stored sums are damaged
 */
export function loadSums(scorings: readonly StoredSums[]): LoadedSums | undefined {
  const [first] = scorings;
  if (!first) return undefined;
  const { users, groups } = first;
  const all = new Float64Array(groups * columns);
  for (const scoring of scorings) {
    const stored = decodeFloats(scoring.sums);
    if (scoring.users !== users || stored?.length !== groups * STORED.length) return undefined;
    for (let g = 0; g < groups; g++) {
      STORED.forEach((name, k) => {
        const at = g * columns + column[name];
        all[at] = all[at]! + stored[g * STORED.length + k]!;
      });
    }
  }
  const { metrics, resampled } = measure(all, getBootstrap(groups), STORED_METRICS);
  return { users, groups, details: { metrics }, resampled };
}

/** Computes the difference of two models in a metric; undefined if a value is missing or the users differ. */
export function compareLoadedSums(
  one: LoadedSums | undefined,
  name: MetricName,
  other: LoadedSums | undefined,
  to: MetricName = name,
): MetricGap | undefined {
  if (!one || !other || one.users !== other.users || one.groups !== other.groups) return undefined;
  return difference(one, name, other, to);
}

function decodeFloats(text: string): Float32Array | undefined {
  try {
    return new Float32Array(Uint8Array.fromBase64(text).buffer);
  } catch {
    return undefined; // not base64, or not a whole number of floats
  }
}

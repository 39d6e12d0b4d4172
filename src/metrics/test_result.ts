/**
 * Test metrics of a model or baseline, with intervals, and paired differences between two models on the same users. The metrics
 * are computed from a model's scores of all items that the test users saw.
 *
 * Differences between separate runs are paired as well: each run stores metric sums per group of users, about 30 KB per snapshot,
 * and the bootstrap draws the same groups for the two runs.
 */

import { type Bootstrap, computeInterval, getBootstrap, type Interval } from "./bootstrap.ts";
import type { ProbabilityCalibration } from "./probability_calibration.ts";
import { column, columns, computeMetric, metricNames } from "./metric_columns.ts";
import type { MetricName, SliceKey } from "./metric_columns.ts";

/** Values of the available metrics. A ranking has no loss and no metrics of probabilities. */
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

/** 95 % bootstrap intervals over users; null if there are too few users. */
export type MetricIntervals = Readonly<Partial<Record<MetricName, Interval | null>>>;

/** Metrics that are computed from sums per group of users. */
export interface MeasuredSums {
  readonly metrics: MetricValues;
  readonly intervals: MetricIntervals;
  /** For each metric, its values in all resamples. */
  readonly resampled: ReadonlyMap<MetricName, Float64Array>;
}

/** Metrics of a slice of the events. */
export interface MetricSlice extends Pick<MeasuredSums, "metrics" | "intervals"> {
  /** Name of the slice, such as "3-4" for page lengths. */
  readonly name: string;
  readonly events: number;
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
  /** For each kind of slices, the slices that have events. */
  readonly slices: Readonly<Partial<Record<SliceKey, readonly MetricSlice[]>>>;
}

/** Difference in a metric between two models or baselines on the same users. */
export interface MetricGap {
  readonly value: number;
  readonly interval: Interval | null;
}
/** Differences between two models or baselines, for each metric that is defined for the two. */
export type MetricDifferences = Readonly<Partial<Record<MetricName, MetricGap>>>;

/**
 * Computes the values, intervals and resampled values of metrics. @param sums [groups, columns] @param names metrics to compute;
 * metrics without a value are omitted.
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

/** The part of a test result that a comparison with another test result reads. */
interface Comparable extends Pick<MeasuredSums, "resampled"> {
  readonly details: Pick<MetricDetails, "metrics">;
  /** Number of groups of users that are resampled. */
  readonly groups: number;
}

/** Metrics, and sums per group of users, of a model or baseline on the test users. */
export interface TestResult extends Comparable {
  readonly details: MetricDetails;
  /** [groups, columns] sums of each column over the users of each group. */
  readonly sums: Float64Array;
  /** Hash of the users; see {@link UsersHash}. */
  readonly users: string;
}

/** For each generator metric, the reward metric to compare it with if the other model has no generator. */
const REWARD_METRICS: Readonly<Partial<Record<MetricName, MetricName>>> = {
  piPrec1: "prec1",
  piPrec2: "prec2",
};
/** Metrics that do not depend on a model's scores: observed shares. */
const OBSERVED: readonly MetricName[] = ["noClick", "clicked"];

/** Computes the differences between two models or baselines on the same users. */
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
 * Minimum number of groups for an interval. By chance, all of n groups differ in one direction with probability 2 / 2^n, and this
 * probability is more than 5 % for n < 6.
 */
const LEAST_GROUPS = 6;

/**
 * Computes the difference between two test results in a metric; undefined if one result lacks the metric. The interval of the
 * difference is null for too few users.
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

/** Columns whose sums are stored, in the order of storage. */
const STORED = ["events", "clicks", "nll", "prec1", "prec2", "piPrec1"] as const;
/** Metrics computed from the stored sums. */
const STORED_METRICS: readonly MetricName[] = ["nll", "prec1", "prec2", "piPrec1"];

/** Metric sums of a snapshot or baseline in result.json, for paired comparison with other runs. */
export interface StoredSums {
  /** Hash of the users and their events: see {@link UsersHash}. */
  readonly users: string;
  /** Number of groups of users that are resampled. */
  readonly groups: number;
  /** Base64 of float32 [groups, events | clicks | nll | prec1 | prec2 | piPrec1], little-endian; missing sums are NaN. */
  readonly sums: string;
}

/** Hash of users: of the page lengths and click positions of all users in order. */
export class UsersHash {
  #high = 0x811c9dc5;
  #low = 0x2f0b4c47;

  /** Adds an integer below 2^32 to the hashed data. */
  add(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 15), 0x5bd1e995);
  }

  /** Hash in hexadecimal. */
  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** Packs the sums of a test result for storage. */
export function packSums({ users, groups, sums }: TestResult): StoredSums {
  const stored = new DataView(new ArrayBuffer(4 * groups * STORED.length));
  for (let g = 0; g < groups; g++) {
    STORED.forEach((name, k) => {
      stored.setFloat32(4 * (g * STORED.length + k), sums[g * columns + column[name]]!, true);
    });
  }
  return { users, groups, sums: new Uint8Array(stored.buffer).toBase64() };
}

/** Stored sums of a model, unpacked for comparison. */
export interface LoadedSums extends Comparable {
  readonly users: string;
}

/**
 * Loads the stored metric sums of several evaluations, for example one per seed, as one evaluation.
 * @returns undefined if the evaluations have different users, or if stored sums are damaged.
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

/** Computes the difference of two models in a metric. @returns undefined if a model lacks the metric, or if the users differ. */
export function compareLoadedSums(
  one: LoadedSums | undefined,
  name: MetricName,
  other: LoadedSums | undefined,
  to: MetricName = name,
): MetricGap | undefined {
  if (!one || !other || one.users !== other.users || one.groups !== other.groups) return undefined;
  return difference(one, name, other, to);
}

/** Decodes floats from base64. Returns undefined for a text that is not base64 of floats. */
function decodeFloats(text: string): Float32Array | undefined {
  try {
    const bytes = Uint8Array.fromBase64(text);
    if (bytes.length % 4 > 0) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return Float32Array.from({ length: bytes.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  } catch {
    return undefined;
  }
}

/**
 * Figures of one scoring of test users with their intervals, and differences of two scorings of the same users.
 *
 * Scorings that were made apart are compared in pairs, too: a run leaves the sums of its groups of users, some 30 KB a snapshot,
 * and the bootstrap of both draws the same groups.
 */

import { type Bootstrap, computeInterval, getBootstrap, type Interval } from "./bootstrap.ts";
import type { ProbabilityCalibration } from "./probability_calibration.ts";
import {
  column,
  columns,
  computeMetric,
  figureNames,
  type MetricName,
  type SliceKey,
} from "./metric_columns.ts";

/** Figures that there are; a ranking has no loss and no probabilities. */
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

/** Where 95 % of the resamples of users are; null where there are too few users to say. */
export type MetricIntervals = Readonly<Partial<Record<MetricName, Interval | null>>>;

/** What the sums of groups of users give. */
export interface MeasuredSums {
  /** Of all their events. */
  readonly figures: MetricValues;
  /** Of the figures. */
  readonly intervals: MetricIntervals;
  /** Values of each figure in the resamples. */
  readonly resampled: ReadonlyMap<MetricName, Float64Array>;
}

/** Figures of a part of the events. */
export interface MetricSlice extends Pick<MeasuredSums, "figures" | "intervals"> {
  /** Which part, such as "3-4" of the page lengths. */
  readonly name: string;
  /** How many events it has. */
  readonly events: number;
  /** Of the probabilities of a click on a displayed item. */
  readonly ece?: number;
}

/** All figures of a scoring, as result.json has them beside the first few. */
export interface MetricDetails extends Pick<MeasuredSums, "figures" | "intervals"> {
  /** Of P(click on a displayed item) and P(no click); absent for a ranking. */
  readonly calibration?: {
    readonly click?: ProbabilityCalibration;
    readonly noClick?: ProbabilityCalibration;
  };
  /** By what they are told apart, those that have events. */
  readonly slices: Readonly<Partial<Record<SliceKey, readonly MetricSlice[]>>>;
}

/** One minus the other, on the same users. */
export interface MetricGap {
  /** Of the figures themselves. */
  readonly value: number;
  /** Of the difference. */
  readonly interval: Interval | null;
}
/** By figure; those that both scorings have. */
export type MetricDifferences = Readonly<Partial<Record<MetricName, MetricGap>>>;

/** @param sums [groups, columns] @param names of the figures; those without a value are left out. */
export function measure(
  sums: Float64Array,
  bootstrap: Bootstrap,
  names: readonly MetricName[],
): MeasuredSums {
  const totals = new Float64Array(columns);
  sums.forEach((value, k) => totals[k % columns] = totals[k % columns]! + value);
  const drawn = bootstrap.totals(sums, columns);
  const figures: Partial<Record<MetricName, number>> = {};
  const intervals: Partial<Record<MetricName, Interval | null>> = {};
  const resampled = new Map<MetricName, Float64Array>();
  for (const name of names) {
    const [value = NaN] = computeMetric(name, totals);
    if (Number.isNaN(value)) continue;
    const values = computeMetric(name, drawn);
    figures[name] = value;
    intervals[name] = computeInterval(values, bootstrap.groups);
    resampled.set(name, values);
  }
  return { figures, intervals, resampled };
}

/** What differences are made of. */
interface Comparable extends Pick<MeasuredSums, "resampled"> {
  /** Its figures. */
  readonly details: Pick<MetricDetails, "figures">;
  /** Groups of users that are resampled. */
  readonly groups: number;
}

/** A scoring of test users. */
export interface TestResult extends Comparable {
  /** All of its figures. */
  readonly details: MetricDetails;
  /** [groups, columns] */
  readonly sums: Float64Array;
  /** Tells the users apart from others. */
  readonly users: string;
}

/** What a generator is compared with where the other scoring has none. */
const INSTEAD: Readonly<Partial<Record<MetricName, MetricName>>> = { piPrec1: "prec1", piPrec2: "prec2" };
/** These say what happened: they are the same in all scorings. */
const FACTS: readonly MetricName[] = ["noClick", "clicked"];

/** How far one scoring is above another; both are of the same users. */
export function compareScorings(one: Comparable, other: Comparable): MetricDifferences {
  const found: Partial<Record<MetricName, MetricGap>> = {};
  for (const name of figureNames.filter((name) => !FACTS.includes(name))) {
    const to = other.resampled.has(name) ? name : INSTEAD[name] ?? name;
    const own = difference(one, name, other, to);
    if (own) found[name] = own;
  }
  return found;
}

/** Groups of users, at least: that all of fewer are on one side is chance in more than one case of twenty, 2 / 2^n. */
const LEAST_GROUPS = 6;

/**
 * How far a figure of one scoring is above a figure of another; undefined where one of them has none. Without an interval where
 * there are too few users to say.
 */
function difference(
  one: Comparable,
  name: MetricName,
  other: Comparable,
  to: MetricName,
): MetricGap | undefined {
  const [a, b] = [one.details.figures[name], other.details.figures[to]];
  const [ofA, ofB] = [one.resampled.get(name), other.resampled.get(to)];
  if (a === undefined || b === undefined || !ofA || !ofB) return undefined;
  const interval = one.groups < LEAST_GROUPS
    ? null
    : computeInterval(ofA.map((x, k) => x - ofB[k]!), one.groups);
  return { value: a - b, interval };
}

/** The sums that are kept, in their order. */
const KEPT = ["events", "clicks", "nll", "prec1", "prec2", "piPrec1"] as const;
/** The figures that they give. */
const FIGURES: readonly MetricName[] = ["nll", "prec1", "prec2", "piPrec1"];

/** What a scoring leaves in a file. */
export interface StoredSums {
  /** The same for the same users with the same events: see {@link UsersHash}. */
  readonly users: string;
  /** Of users that are resampled. */
  readonly groups: number;
  /** Base64 of float32 [groups, events | clicks | nll | prec1 | prec2 | piPrec1], little-endian; NaN where there is none. */
  readonly sums: string;
}

/** Tells users apart by the length of their pages and the places of their clicks, in their order. */
export class UsersHash {
  #high = 0x811c9dc5;
  #low = 0x2f0b4c47;

  /** Takes a number, an integer below 2^32. */
  add(value: number): void {
    this.#high = Math.imul(this.#high ^ value, 0x01000193);
    this.#low = Math.imul(this.#low ^ value ^ (this.#high >>> 15), 0x5bd1e995);
  }

  /** In hexadecimal. */
  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}

/** What is kept of a scoring. */
export function packSums({ users, groups, sums }: TestResult): StoredSums {
  const kept = new DataView(new ArrayBuffer(4 * groups * KEPT.length));
  for (let g = 0; g < groups; g++) {
    KEPT.forEach((name, k) => {
      kept.setFloat32(4 * (g * KEPT.length + k), sums[g * columns + column[name]]!, true);
    });
  }
  return { users, groups, sums: new Uint8Array(kept.buffer).toBase64() };
}

/** What was kept of a model's scorings, ready to be compared. */
export interface LoadedSums extends Comparable {
  readonly users: string;
}

/**
 * The mean of scorings, such as those of several seeds.
 * @returns undefined where they are not all of the same users, or their sums are damaged.
 */
export function loadSums(scorings: readonly StoredSums[]): LoadedSums | undefined {
  const [first] = scorings;
  if (!first) return undefined;
  const { users, groups } = first;
  const all = new Float64Array(groups * columns);
  for (const scoring of scorings) {
    const kept = decodeFloats(scoring.sums);
    if (scoring.users !== users || kept?.length !== groups * KEPT.length) return undefined;
    for (let g = 0; g < groups; g++) {
      KEPT.forEach((name, k) => {
        const at = g * columns + column[name];
        all[at] = all[at]! + kept[g * KEPT.length + k]!;
      });
    }
  }
  const { figures, resampled } = measure(all, getBootstrap(groups), FIGURES);
  return { users, groups, details: { figures }, resampled };
}

/**
 * How far a figure of one model is above a figure of another.
 * @returns undefined where one has no such figure, or they are not of the same users.
 */
export function compareLoadedSums(
  one: LoadedSums | undefined,
  name: MetricName,
  other: LoadedSums | undefined,
  to: MetricName = name,
): MetricGap | undefined {
  if (!one || !other || one.users !== other.users || one.groups !== other.groups) return undefined;
  return difference(one, name, other, to);
}

/** Undefined for what is no base64 of floats. */
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

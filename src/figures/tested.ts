/** Figures of one scoring of test users with their intervals, and differences of two scorings of the same users. */

import { type Bootstrap, type Interval, intervalOf } from "./bootstrap.ts";
import type { Calibration } from "./calibration.ts";
import { columns, type FigureName, figureNames, ratioOf, type SlicedBy } from "./columns.ts";

/** Figures that there are; a ranking has no loss and no probabilities. */
export type Figures = Readonly<Partial<Record<FigureName, number>>>;

/** Where 95 % of the resamples of users are; null where there are too few users to say. */
export type Intervals = Readonly<Partial<Record<FigureName, Interval | null>>>;

/** What the sums of groups of users give. */
export interface Measured {
  /** Of all their events. */
  readonly figures: Figures;
  /** Of the figures. */
  readonly intervals: Intervals;
  /** Values of each figure in the resamples. */
  readonly resampled: ReadonlyMap<FigureName, Float64Array>;
}

/** Figures of a part of the events. */
export interface Slice extends Pick<Measured, "figures" | "intervals"> {
  /** Which part, such as "3-4" of the page lengths. */
  readonly name: string;
  /** How many events it has. */
  readonly events: number;
  /** Of the probabilities of a click on a displayed item. */
  readonly ece?: number;
}

/** All figures of a scoring, as result.json has them beside the first few. */
export interface Details extends Pick<Measured, "figures" | "intervals"> {
  /** Of P(click on a displayed item) and P(no click); absent for a ranking. */
  readonly calibration?: { readonly click?: Calibration; readonly noClick?: Calibration };
  /** By what they are told apart, those that have events. */
  readonly slices: Readonly<Partial<Record<SlicedBy, readonly Slice[]>>>;
}

/** One minus the other, on the same users. */
export interface Difference {
  /** Of the figures themselves. */
  readonly value: number;
  /** Of the difference. */
  readonly interval: Interval | null;
}
/** By figure; those that both scorings have. */
export type Differences = Readonly<Partial<Record<FigureName, Difference>>>;

/** @param sums [groups, columns] @param names of the figures; those without a value are left out. */
export function measure(sums: Float64Array, bootstrap: Bootstrap, names: readonly FigureName[]): Measured {
  const totals = new Float64Array(columns);
  sums.forEach((value, k) => totals[k % columns] = totals[k % columns]! + value);
  const drawn = bootstrap.totals(sums, columns);
  const figures: Partial<Record<FigureName, number>> = {};
  const intervals: Partial<Record<FigureName, Interval | null>> = {};
  const resampled = new Map<FigureName, Float64Array>();
  for (const name of names) {
    const [value = NaN] = ratioOf(name, totals);
    if (Number.isNaN(value)) continue;
    const values = ratioOf(name, drawn);
    figures[name] = value;
    intervals[name] = intervalOf(values, bootstrap.groups);
    resampled.set(name, values);
  }
  return { figures, intervals, resampled };
}

/** What differences are made of. */
export interface Comparable extends Pick<Measured, "resampled"> {
  /** Its figures. */
  readonly details: Pick<Details, "figures">;
  /** Groups of users that are resampled. */
  readonly groups: number;
}

/** A scoring of test users. */
export interface Tested extends Comparable {
  /** All of its figures. */
  readonly details: Details;
  /** [groups, columns] */
  readonly sums: Float64Array;
  /** Tells the users apart from others. */
  readonly users: string;
}

/** What a generator is compared with where the other scoring has none. */
const INSTEAD: Readonly<Partial<Record<FigureName, FigureName>>> = { piPrec1: "prec1", piPrec2: "prec2" };
/** These say what happened: they are the same in all scorings. */
const FACTS: readonly FigureName[] = ["noClick", "clicked"];

/** How far one scoring is above another; both are of the same users. */
export function differences(one: Comparable, other: Comparable): Differences {
  const found: Partial<Record<FigureName, Difference>> = {};
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
export function difference(
  one: Comparable,
  name: FigureName,
  other: Comparable,
  to: FigureName,
): Difference | undefined {
  const [a, b] = [one.details.figures[name], other.details.figures[to]];
  const [ofA, ofB] = [one.resampled.get(name), other.resampled.get(to)];
  if (a === undefined || b === undefined || !ofA || !ofB) return undefined;
  const interval = one.groups < LEAST_GROUPS ? null : intervalOf(ofA.map((x, k) => x - ofB[k]!), one.groups);
  return { value: a - b, interval };
}

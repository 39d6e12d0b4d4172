/** Scales of the items' numbers, as data/item_features.sql makes them: of what train users were shown, each item once. */

import type { DenseFeature } from "../manifest.ts";

/** What a column of numbers becomes. */
export interface NumberScale {
  readonly name: string;
  /** Whether it is the age in days at the end of the log. */
  readonly isAge: boolean;
  /** Whether it says anything: not where all items have one value. */
  readonly isUsed: boolean;
  /** Whether some items have no value. */
  readonly isPartly: boolean;
  readonly low: number;
  readonly high: number;
  /** Of sign(x) ln(1 + |x| / log); null for x itself. */
  readonly log: number | null;
  readonly mean: number;
  readonly sd: number;
}

/** A kurtosis above this is a heavy tail: a normal distribution has 3, an exponential one 9. */
const HEAVY = 6;

/** @param values of the train items that have one. @param items how many there are with and without */
export function scaleOf(name: string, isAge: boolean, values: readonly number[], items: number): NumberScale {
  const sorted = Float64Array.from(values).sort();
  const [low = NaN, high = NaN] = [sorted[0], sorted.at(-1)];
  const plain = momentsOf(sorted);
  const log = smallOf(sorted);
  const squeezedValues = log === undefined ? new Float64Array() : sorted.map((x) => squeezed(x, log));
  const other = momentsOf(squeezedValues.sort());
  const isHeavy = log !== undefined && other.variance > 0 &&
    (isAge || (plain.kurtosis > HEAVY && other.kurtosis < plain.kurtosis / 2));
  const isFlag = sorted.every((x) => x === 0 || x === 1);
  const taken = isHeavy ? other : isFlag ? { mean: 0, variance: 1 } : plain;
  return {
    ...{ name, isAge, low, high },
    isUsed: sorted.length > 0 && low < high,
    isPartly: sorted.length > 0 && sorted.length < items,
    log: isHeavy ? log : null,
    mean: taken.mean,
    sd: Math.sqrt(taken.variance),
  };
}

/** The 5 % quantile of |x|, zeros left out. */
function smallOf(sorted: Float64Array): number | undefined {
  const sizes = sorted.filter((x) => x !== 0).map(Math.abs).sort();
  const n = sizes.length;
  return sizes[Math.max(1, n - Math.floor(95 * n / 100)) - 1];
}

function squeezed(x: number, log: number): number {
  return Math.sign(x) * Math.log(1 + Math.abs(x) / log);
}

/** Sums are taken in the order of the values. */
function momentsOf(sorted: Float64Array) {
  const average = (of: (x: number) => number) => sorted.reduce((sum, x) => sum + of(x), 0) / sorted.length;
  const mean = average((x) => x);
  const variance = average((x) => (x - mean) ** 2);
  return { mean, variance, kurtosis: average((x) => (x - mean) ** 4) / variance ** 2 };
}

/** What the model is told of a value: no feature, one, or two, the second one being whether it is known. */
export function featuresOf(
  { isUsed, isPartly, low, high, log, mean, sd }: NumberScale,
  x: number | undefined,
): number[] {
  // Numbers beyond those that train users were shown are taken as the nearest of them.
  const near = x === undefined ? undefined : Math.max(Math.min(x, high), low);
  const value = near === undefined ? 0 : ((log === null ? near : squeezed(near, log)) - mean) / sd;
  return [...isUsed ? [value] : [], ...isPartly ? [x === undefined ? 0 : 1] : []];
}

/** Of 0 and 1. */
const isAsItIs = ({ log, mean, sd }: NumberScale) => log === null && mean === 0 && sd === 1;

/** What these mean. */
export function meaningsOf(scale: NumberScale): DenseFeature[] {
  const { name, isAge, isUsed, isPartly, low, high, log, mean, sd } = scale;
  const what = isAsItIs(scale)
    ? `${name}, 0 or 1`
    : isAge
    ? "logarithm of the age in days, standardised"
    : log !== null
    ? `logarithm of ${name}, standardised`
    : `${name}, standardised`;
  const meaning = what + (isPartly ? ", 0 where it is not known" : "");
  return [
    ...isUsed
      ? [{
        name,
        meaning,
        transform: { of: isAge ? "age" as const : "number" as const, column: name, log, mean, sd, low, high },
      }]
      : [],
    ...isPartly
      ? [{
        name: `${name}_known`,
        meaning: `1 if ${name} is known`,
        transform: { of: "known" as const, column: name },
      }]
      : [],
  ];
}

/** What is to be told of all of them. */
export function scaleNotes(scales: readonly NumberScale[]): string[] {
  const named = (test: (scale: NumberScale) => boolean) =>
    scales.filter(test).map(({ name }) => name).join(", ");
  const told: [names: string, text: string][] = [
    [
      named((scale) => scale.isUsed && !isAsItIs(scale)),
      "Numbers are standardised, to mean 0 and sd 1 over the items that train users were shown",
    ],
    [
      named(({ isUsed, isAge, log }) => isUsed && !isAge && log !== null),
      "Numbers with a heavy tail are taken as logarithms",
    ],
    [
      named(({ isUsed, isAge }) => isUsed && isAge),
      "Times are taken as ages, the logarithm of the days up to the last page of the log",
    ],
    [
      named(({ isUsed, isPartly }) => !isUsed && !isPartly),
      "Columns of the features that have one value for all items are left out",
    ],
  ];
  return told.filter(([names]) => names !== "").map(([names, text]) => `${text}: ${names}.`);
}

/** Compares the features in two data sets' manifests: names, order, scales and vocabularies. */

import { formatThousands } from "../number_text.ts";
import type { ContextFeature, FeatureManifest, Transform, ValueTransform } from "./manifest.ts";

type Dense = FeatureManifest["dense"][number] | ContextFeature;
type Field = FeatureManifest["tokens"][number];

/**
 * Describes the first difference between the features of two data sets; undefined if there is none.
 * @param there: features that a model was trained on. @param here: features of the data that the model gets.
 */
export function describeDifference(there: FeatureManifest, here: FeatureManifest): string | undefined {
  return namesText("numbers", there.dense, here.dense) ??
    first(there.dense, here.dense, denseText) ??
    namesText("fields of tokens", there.tokens, here.tokens) ??
    first(there.tokens, here.tokens, fieldText) ??
    namesText("context features", there.context ?? [], here.context ?? []) ??
    first(there.context ?? [], here.context ?? [], denseText);
}

/**
 * Returns true if each item of the data set `there` has the same number in the data set `here`. Returns
 * undefined if a manifest has no checksum of the item ids.
 */
export function keepsItemNumbers(there?: FeatureManifest, here?: FeatureManifest): boolean | undefined {
  const own = there?.catalogues?.at(-1);
  return own === undefined ? undefined : here?.catalogues?.includes(own);
}

/** Lists features that have no checksum in one of the manifests, so their values cannot be compared. */
export function listUnknownFeatures(there: FeatureManifest, here: FeatureManifest): string[] {
  const lacks = (own: FeatureManifest) => [
    ...own.tokens.filter(({ sha256 }) => sha256 === undefined).map(({ name }) => name),
    ...(isOneHot(own) && own.catalogues === undefined ? ["the numbers of items"] : []),
  ];
  return [...new Set([...lacks(there), ...lacks(here)])];
}

const isOneHot = ({ dense, tokens }: FeatureManifest) => dense.length === 0 && tokens.length === 0;

function first<T>(
  there: readonly T[],
  here: readonly T[],
  text: (there: T, here: T) => string | undefined,
): string | undefined {
  for (const [k, one] of there.entries()) {
    const other = here[k];
    const found = other && text(one, other);
    if (found !== undefined) return found;
  }
}

function namesText(
  what: string,
  there: readonly { readonly name: string }[],
  here: readonly { readonly name: string }[],
): string | undefined {
  const [theirs, ours] = [there, here].map((list) => list.map(({ name }) => name)) as [string[], string[]];
  if (JSON.stringify(theirs) === JSON.stringify(ours)) return undefined;
  const list = (names: readonly string[]) => names.length > 0 ? names.join(", ") : "none";
  return `the ${what} are ${list(theirs)} there, ${list(ours)} here`;
}

function denseText(there: Dense, here: Dense): string | undefined {
  if (!there.transform || !here.transform) {
    return there.meaning === here.meaning
      ? undefined
      : `${there.name} is "${there.meaning}" there, "${here.meaning}" here`;
  }
  if (isSame(there.transform, here.transform)) return undefined;
  return `${there.name} is ${scaleText(there.transform)} there, ${scaleText(here.transform)} here`;
}

/** Relative tolerance for a number such as a mean, which may have been rounded differently. */
const ROUNDED = 1e-12;

function isSame(there: Transform | ValueTransform, here: Transform | ValueTransform): boolean {
  const [theirs, ours] = [entries(there), entries(here)];
  return theirs.length === ours.length && theirs.every(([name, value], k) => {
    const [otherName, other] = ours[k] ?? [];
    const isNear = typeof value === "number" && typeof other === "number" &&
      Math.abs(value - other) <= ROUNDED * Math.max(Math.abs(value), Math.abs(other));
    return name === otherName && (isNear || value === other);
  });
}

const entries = (transform: Transform | ValueTransform): [string, unknown][] =>
  Object.entries(transform).sort(([a], [b]) => (a < b ? -1 : 1));

function scaleText(transform: Transform | ValueTransform): string {
  const { of, column } = transform;
  if (of === "value") return `whether ${column} is ${transform.value}`;
  if (of === "known") return `whether ${column} is known`;
  const { log, mean, sd } = transform;
  const what = `${of === "age" ? "the age by " : ""}${column}`;
  const f = (x: number) => x.toPrecision(4);
  return `(${log === null ? what : `the logarithm of ${what} / ${f(log)}`} - ${f(mean)}) / ${f(sd)}`;
}

function fieldText(there: Field, here: Field): string | undefined {
  if (there.hashed !== here.hashed) {
    const text = ({ hashed }: Field) =>
      hashed === undefined ? "not hashed" : `hashed to ${formatThousands(hashed)}`;
    return `the item ids are ${text(there)} there, ${text(here)} here (--hash-items of deno task data log)`;
  }
  if (there.first !== here.first || there.count !== here.count) {
    const text = ({ first, count }: Field) => `the tokens ${first} to ${first + count - 1}`;
    return `${there.name} has ${text(there)} there, ${text(here)} here${valuesText(there, here)}`;
  }
  if (there.sha256 === undefined || here.sha256 === undefined) return undefined;
  if (there.sha256 === here.sha256 && there.other === here.other) return undefined;
  return `the tokens of ${there.name} stand for different values${valuesText(there, here)}`;
}

function valuesText(there: Field, here: Field): string {
  if (!there.values || !here.values) return "";
  const only = (own: readonly string[], other: readonly string[]) => {
    const more = own.filter((value) => !other.includes(value));
    const some = more.slice(0, 3).map((value) => `"${value}"`).join(", ");
    return more.length > 3 ? `${some} and ${more.length - 3} more` : some;
  };
  const [theirs, ours] = [only(there.values, here.values), only(here.values, there.values)];
  const parts = [
    ...(theirs === "" ? [] : [`only there: ${theirs}`]),
    ...(ours === "" ? [] : [`only here: ${ours}`]),
  ];
  return parts.length > 0 ? ` (${parts.join("; ")})` : "";
}

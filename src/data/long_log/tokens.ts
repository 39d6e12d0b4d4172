/** Tokens of the items, as data/item_features.sql makes them: of what is known of them, and of each item itself. */

import type { ItemTokens } from "../click_log.ts";
import { Growing } from "../growing.ts";
import type { TokenFeature } from "../manifest.ts";
import { byCodePoint } from "./order.ts";

/** As many gradients as an embedding row needs to be more than its random start. */
export const RARE_BELOW = 10;
/** Of more values the manifest has the checksum alone. */
const MOST_VALUES = 1000;
/** A column of more values may be text that tells nothing of other items. */
const MANY = 50;

/** What may become a field of tokens. */
export interface TokenSource {
  /** The column that the values are of; null for the items themselves. */
  readonly column: string | null;
  /** Whether a text of the column was several values. */
  readonly isSplit: boolean;
  /** Of an item: each at most once. */
  valuesOf(item: number): readonly string[];
}

export interface Tokens {
  readonly tokens: ItemTokens;
  /** Those of the sources that there are tokens of. */
  readonly fields: TokenFeature[];
  readonly notes: readonly string[];
}

/** How often train users were shown a value, and how many items have it that they were shown. */
interface Seen {
  rows: number;
  items: number;
}

/** @param trainRows how often train users were shown each item */
export async function tokensOf(sources: readonly TokenSource[], trainRows: Uint32Array): Promise<Tokens> {
  const notes: string[] = [];
  const fields: TokenFeature[] = [];
  const vocabularies: { source: TokenSource; tokenOf: Map<string, number>; other: number | undefined }[] = [];
  let first = 0;
  for (const source of sources) {
    const seen = seenOf(source, trainRows);
    const left = leftOut(source, seen, trainRows);
    if (left !== undefined) notes.push(left);
    const shown = [...seen.values()].filter(({ rows }) => rows > 0);
    if (left !== undefined || shown.length === 0) continue;
    const isRare = ({ rows, items }: Seen) =>
      rows < RARE_BELOW || (source.column !== null && items < 3 && shown.length > MANY);
    const own = [...seen].filter(([, one]) => !isRare(one)).map(([value]) => value).sort(byCodePoint);
    const other = first + own.length;
    const isOtherTrained = shown.some(isRare);
    vocabularies.push({
      source,
      tokenOf: new Map(own.map((value, k) => [value, first + k])),
      other: isOtherTrained ? other : undefined,
    });
    fields.push(await fieldOf(source, first, own.map(copyOf), isOtherTrained));
    first = other + 1;
  }
  const starts = new Uint32Array(trainRows.length + 1);
  const token = new Growing(Uint32Array);
  trainRows.forEach((_, item) => {
    const found = vocabularies.flatMap(({ source, tokenOf, other }) =>
      source.valuesOf(item).flatMap((value) => tokenOf.get(value) ?? other ?? [])
    );
    for (const one of [...new Set(found)].sort((a, b) => a - b)) token.push(one);
    starts[item + 1] = token.length;
  });
  return { tokens: { count: first, first: starts, token: token.values() }, fields, notes };
}

function seenOf(source: TokenSource, trainRows: Uint32Array): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  trainRows.forEach((rows, item) => {
    for (const value of source.valuesOf(item)) {
      const one = seen.get(value) ?? { rows: 0, items: 0 };
      seen.set(value, one);
      one.rows += rows;
      if (rows > 0) one.items++;
    }
  });
  return seen;
}

/** Text with nearly a value an item tells nothing of other items; a column with one value tells nothing at all. */
function leftOut(
  { column }: TokenSource,
  seen: ReadonlyMap<string, Seen>,
  trainRows: Uint32Array,
): string | undefined {
  if (column === null) return undefined;
  const shown = [...seen.values()].filter(({ rows }) => rows > 0);
  const items = shown.reduce((sum, one) => sum + one.items, 0);
  if (shown.length > MANY && items < 2 * shown.length) {
    return `Text with nearly a value an item is left out: ${column} (${shown.length} values for ${items} items).`;
  }
  const all = trainRows.reduce((sum, rows) => sum + (rows > 0 ? 1 : 0), 0);
  return shown.length === 1 && items === all
    ? `Columns of the features that have one value for all items are left out: ${column}.`
    : undefined;
}

async function fieldOf(
  { column, isSplit }: TokenSource,
  first: number,
  values: string[],
  isOtherTrained: boolean,
): Promise<TokenFeature> {
  const { length: n } = values;
  return {
    name: column ?? "item",
    first,
    count: n + 1,
    meaning: `${column === null ? "the item itself" : `values of ${column}`}, the last one for all others`,
    column,
    other: isOtherTrained ? "trained" : "mean",
    ...isSplit ? { split: true } : {},
    ...n > 0 && n < MOST_VALUES ? { values } : {},
    sha256: await sha256Of(values),
  };
}

/** Of all values in their order, each with its length: no two lists of texts are written alike. */
export async function sha256Of(values: readonly string[]): Promise<string> {
  const text = values.map((value) => `${[...value].length} ${value}`).join("\n");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** In memory of its own: a part of a text keeps the whole of it. */
function copyOf(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

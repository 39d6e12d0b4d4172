/** Which columns of a table of items are numbers, times and tokens: by what is written in them, as `data log` tells it. */

import { doubleOf } from "./doubles.ts";
import { DATE_LIKE, isoTime } from "./times.ts";

/** A column of the table, without the one with the items' ids. */
export interface ItemColumn {
  readonly name: string;
  /** For each row of the table; empty where there is no value. */
  readonly texts: readonly string[];
  /** Of JSON, which has lists: those of the column, by their rows. A text of CSV may be several values. */
  readonly lists: ReadonlyMap<number, readonly string[]> | undefined;
}

export interface NumberColumn extends ItemColumn {
  readonly isTime: boolean;
}

export interface TokenColumn extends ItemColumn {
  /** Whether a text is several values, separated by |. */
  readonly isSplit: boolean;
}

export interface ItemColumns {
  readonly numbers: readonly NumberColumn[];
  readonly tokens: readonly TokenColumn[];
  /** What is to be told of them. */
  readonly notes: readonly string[];
}

export function columnsOf(columns: readonly ItemColumn[]): ItemColumns {
  const kinds = columns.map((column) => ({ ...column, ...kindOf(column) }));
  const named = (test: (column: (typeof kinds)[number]) => boolean) =>
    kinds.filter(test).map(({ name }) => name).join(", ");
  const told: [names: string, text: string][] = [
    [
      named(({ kind }) => kind === "empty" || kind === "other"),
      "Columns of the features without numbers or text are left out",
    ],
    [
      named(({ kind }) => kind === "date"),
      "Dates that are not all written like 1995-01-31 or 31-Jan-1995 are left out",
    ],
    [
      named(({ kind, isWhole, name }) =>
        kind === "number" && isWhole && /(^|_)(id|code|nr|no)$|(Id|ID|Code)$/.test(name)
      ),
      "Read as numbers; if they are codes, prepare the log with data log --tokens",
    ],
    [named(({ isSplit }) => isSplit), "Values are split at |"],
  ];
  return {
    numbers: kinds.filter(({ kind }) => kind === "number" || kind === "time")
      .map((column) => ({ ...column, isTime: column.kind === "time" })),
    tokens: kinds.filter(({ kind }) => kind === "token"),
    notes: told.filter(([names]) => names !== "").map(([names, text]) => `${text}: ${names}.`),
  };
}

/** The number of a column of these, or the time in ms; undefined where there is none. */
export function numberAt({ texts, isTime }: NumberColumn, row: number): number | undefined {
  const text = texts[row] ?? "";
  const number = doubleOf(text);
  if (!isTime) return number;
  if (number === undefined) return isoTime(trimmed(text))?.ms;
  return Math.abs(number) < 1e11 ? number * 1000 : number;
}

/** The values of a column of tokens. */
export function tokensAt({ texts, lists, isSplit }: TokenColumn, row: number): string[] {
  const text = texts[row] ?? "";
  return (lists?.get(row) ?? (isSplit ? text.split("|") : [text])).filter((value) => value !== "");
}

type Kind = "number" | "time" | "date" | "token" | "empty" | "other";
const DAY = new RegExp(`^${DATE_LIKE}$`);

function kindOf({ texts, lists }: ItemColumn): { kind: Kind; isWhole: boolean; isSplit: boolean } {
  let [n, numbers, dates, days, wholes] = [0, 0, 0, 0, 0];
  let [low, high] = [Infinity, -Infinity];
  for (const text of texts) {
    if (text === "") continue;
    n++;
    if (isoTime(trimmed(text))) dates++;
    else if (DAY.test(trimmed(text))) days++;
    const x = doubleOf(text);
    if (x === undefined) continue;
    numbers++;
    if (Math.abs(x) <= 9e15 && Number.isInteger(x)) wholes++;
    [low, high] = [Math.min(low, x), Math.max(high, x)];
  }
  const isWhole = n > 0 && wholes === n;
  const isObject = (text: string) => trimmed(text).startsWith("{");
  const kind = lists && texts.some(isObject)
    ? "other"
    : n === 0
    ? "empty"
    : dates === n || (isWhole && isEpoch(low, high))
    ? "time"
    : numbers === n
    ? "number"
    : dates + days > n / 2
    ? "date"
    : "token";
  return { kind, isWhole, isSplit: kind === "token" && !lists && hasFewerParts(texts) };
}

function trimmed(text: string): string {
  return text.replace(/^ +| +$/g, "");
}

/** Seconds or milliseconds since 1970, from 2001 to 2049. Prices and counts of all items are not all in so narrow a range. */
function isEpoch(low: number, high: number): boolean {
  return (low >= 1e9 && high < 2.5e9) || (low >= 1e12 && high < 2.5e12);
}

/** Whether what | separates are values that come again, as the genres of films do. */
function hasFewerParts(texts: readonly string[]): boolean {
  if (!texts.some((text) => text.includes("|"))) return false;
  return new Set(texts.flatMap((text) => text.split("|"))).size < new Set(texts).size;
}

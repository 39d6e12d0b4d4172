/** The values of a row, as data/log.sql reads them. */

import { shown } from "../bad_rows.ts";
import type { ColumnName, Places } from "./columns.ts";
import { type LogTime, timeOf } from "./times.ts";

/** What is wrong with a row. */
export interface Fault {
  /** As in "3 x price cannot be read". */
  readonly kind: string;
  readonly expected: string;
  readonly found: string;
}

export interface RowValues {
  readonly user: string;
  readonly page: string;
  readonly item: string;
  readonly time: LogTime;
  readonly place: number;
  readonly clicked: boolean;
}

/** How a value that is missing may be written, beside leaving it empty. */
const NULL = "\\N";
const IDS = ["user", "item", "page"] as const;

export function valuesOf(fields: readonly string[], places: Places): RowValues | Fault {
  const text = (name: ColumnName) => {
    const value = fields[places[name] ?? -1] ?? "";
    return value === NULL ? "" : value;
  };
  for (const name of IDS) if (text(name) === "") return emptyFault(name);
  const time = timeOf(trimmed(text("time")));
  if (!time) return valueFault("time", "a time (a number since 1970, or ISO 8601)", text("time"));
  const clicked = clickOf(trimmed(text("clicked")));
  if (clicked === undefined) return valueFault("clicked", "0, 1, true, false, yes or no", text("clicked"));
  const place = places.position === undefined ? 0 : numberOf(trimmed(text("position")));
  if (place === undefined) return valueFault("position", "a number", text("position"));
  return { user: text("user"), page: text("page"), item: text("item"), time, place, clicked };
}

/** Without spaces around it: other white space is a part of the value. */
function trimmed(text: string): string {
  return text.replace(/^ +| +$/g, "");
}

function clickOf(text: string): boolean | undefined {
  const word = text.toLowerCase();
  if (["1", "true", "yes", "t", "y", "1.0"].includes(word)) return true;
  return ["0", "false", "no", "f", "n", "0.0"].includes(word) ? false : undefined;
}

function numberOf(text: string): number | undefined {
  if (!/^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** A value as a message has it. */
export function foundText(value: string): string {
  return value === "" ? "nothing" : `"${shown(value)}"`;
}

function emptyFault(column: ColumnName): Fault {
  return { kind: `${column} is empty`, expected: `${column} to be an id`, found: "nothing" };
}

function valueFault(column: ColumnName, expected: string, value: string): Fault {
  return {
    kind: `${column} cannot be read`,
    expected: `${column} to be ${expected}`,
    found: foundText(value),
  };
}

/** @param width how many values the header has. */
export function widthFault(fields: readonly string[], width: number): Fault {
  return {
    kind: fields.length < width ? "a column is missing" : "a column too many",
    expected: `${width} values as in the header`,
    found: `${fields.length}: ${shown(fields.join(","))}`,
  };
}

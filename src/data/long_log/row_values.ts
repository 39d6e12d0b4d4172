/** The values of a row, as data/log.sql reads them. */

import { shown } from "../bad_rows.ts";
import type { LogColumns, Places, Role } from "./columns.ts";
import { doubleOf } from "./doubles.ts";
import { digitsOf, type LogTime, timeOf } from "./times.ts";

/** What is wrong with a row. */
export interface Fault {
  /** As in "3 x price cannot be read". */
  readonly kind: string;
  readonly expected: string;
  readonly found: string;
}

export interface RowValues {
  readonly user: string;
  /** The page's id, or where there is none the time as all of its digits tell it. */
  readonly page: string;
  readonly item: string;
  readonly time: LogTime;
  readonly place: number;
  readonly clicked: boolean;
}

const IDS = ["user", "item", "page"] as const;

export function valuesOf(fields: readonly string[], places: Places, columns: LogColumns): RowValues | Fault {
  const text = (role: Role) => fields[places[role] ?? -1] ?? "";
  const fault = (role: Role, expected: string): Fault => {
    const name = columns[role] ?? role;
    return {
      kind: `${name} cannot be read`,
      expected: `${name} to be ${expected}`,
      found: foundText(text(role)),
    };
  };
  for (const role of IDS) {
    const name = columns[role];
    if (name !== undefined && text(role) === "") {
      return { kind: `${name} is empty`, expected: `${name} to be an id`, found: "nothing" };
    }
  }
  const time = timeOf(trimmed(text("time")));
  if (!time) return fault("time", "a time (a number since 1970, or ISO 8601)");
  const clicked = clickOf(trimmed(text("clicked")));
  if (clicked === undefined) return fault("clicked", "0, 1, true, false, yes or no");
  const place = columns.position === undefined ? 0 : numberOf(text("position"));
  if (place === undefined) return fault("position", "a number");
  const page = columns.page === undefined ? digitsOf(time) : text("page");
  return { user: text("user"), page, item: text("item"), time, place, clicked };
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
  const value = doubleOf(text);
  return Number.isFinite(value) ? value : undefined;
}

/** A value as a message has it. */
export function foundText(value: string): string {
  return value === "" ? "nothing" : `"${shown(value)}"`;
}

/** @param width how many values the header has. */
export function widthFault(fields: readonly string[], width: number): Fault {
  return {
    kind: fields.length < width ? "a column is missing" : "a column too many",
    expected: `${width} values as in the header`,
    found: `${fields.length}: ${shown(fields.join(","))}`,
  };
}

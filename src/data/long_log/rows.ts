/** The rows of a log with a row for each displayed item: those that can be read, and what is wrong with the others. */

import type { BadRows } from "../bad_rows.ts";
import { UserError } from "../../user_error.ts";
import { exampleColumns, type LogColumns, type Places, placesOf, ROLES } from "./columns.ts";
import { Faults } from "./faults.ts";
import { namesOfJson } from "./json_lines.ts";
import { type Fault, foundText, type RowValues, valuesOf } from "./row_values.ts";
import { isJson, readTable, type TableText } from "./table.ts";
import type { TimeKind } from "./times.ts";

/** Texts that come again and again, by their numbers. */
export class Names {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.texts.length);
    return this.texts.push(text) - 1;
  }
}

/** Displayed items that can be read, a place per row in each list. */
export interface Rows {
  readonly users: Names;
  readonly pages: Names;
  readonly items: Names;
  readonly user: number[];
  readonly page: number[];
  readonly item: number[];
  /** Milliseconds since 1970. */
  readonly time: number[];
  /** Orders the items of a page; 0 where there are no positions. */
  readonly place: number[];
  readonly clicked: boolean[];
  /** A row whose time is not of the kind that most are of is none. */
  readonly kind: TimeKind[];
}

export interface ReadRows {
  readonly rows: Rows;
  readonly bad: BadRows;
  /** Of the file, the bad ones among them. */
  readonly count: number;
  /** What most times are. */
  readonly timeKind: TimeKind | undefined;
  readonly columns: LogColumns;
}

/**
 * @param given columns; by default those of `data example`. @param onRead told which share of the text is read.
 * @throws UserError for what is no such log at all: it names the line.
 */
export function readRows(
  log: TableText,
  given: LogColumns | undefined,
  onRead?: (share: number) => void,
): ReadRows {
  const { path, text } = log;
  // Of JSON, the columns are what is asked for.
  const chosen = given ?? (isJson(path) ? exampleColumns(namesOfJson(text)) : undefined);
  const rows = noRows();
  const faults = new Faults(path);
  /** By their kind: which kind is a fault is known at the end. */
  const times = new Map<TimeKind, Faults>();
  const found: { header?: { columns: LogColumns; places: Places } } = {};
  let count = 0;
  const row = (fields: readonly string[], line: number) => {
    const { header } = found;
    if (!header) return;
    count++;
    const values = valuesOf(fields, header.places, header.columns);
    if ("expected" in values) return faults.add(line, values);
    addRow(rows, values);
    const { kind } = values.time;
    const own = times.get(kind) ?? new Faults(path);
    times.set(kind, own);
    own.add(line, otherKind(header.columns.time, fields[header.places.time ?? -1] ?? ""));
  };
  readTable(log, wantedOf(chosen), {
    header: (fields, line) => found.header = placesOf(path, fields, line, chosen),
    row,
    broken: (fault, line) => {
      count++;
      faults.add(line, fault);
    },
    onRead,
  });
  const { header } = found;
  if (!header) {
    throw new UserError(
      `${path}: the file is empty. Expected a header line and a row for each displayed item.`,
    );
  }
  const [most, ...others] = [...times].sort(([a, n], [b, m]) => m.total - n.total || (a < b ? -1 : 1));
  const bad = Faults.sum([faults, ...others.map(([, faults]) => faults)]);
  return { rows, bad, count, timeKind: most?.[0], columns: header.columns };
}

function noRows(): Rows {
  return {
    ...{ users: new Names(), pages: new Names(), items: new Names() },
    ...{ user: [], page: [], item: [], time: [], place: [], clicked: [], kind: [] },
  };
}

function addRow(rows: Rows, { user, page, item, time, place, clicked }: RowValues): void {
  rows.user.push(rows.users.numberOf(user));
  rows.page.push(rows.pages.numberOf(page));
  rows.item.push(rows.items.numberOf(item));
  rows.time.push(time.ms);
  rows.place.push(place);
  rows.clicked.push(clicked);
  rows.kind.push(time.kind);
}

function wantedOf(columns: LogColumns | undefined) {
  if (!columns) return { names: ROLES, ids: ["user", "item", "page"] };
  const { user, item, page } = columns;
  return {
    names: [...new Set(ROLES.flatMap((role) => columns[role] ?? []))],
    ids: [user, item, ...page === undefined ? [] : [page]],
  };
}

function otherKind(column: string, time: string): Fault {
  return {
    kind: `${column} is another kind of time than in most rows`,
    expected: `${column} to be a time of the kind that most rows have`,
    found: foundText(time),
  };
}

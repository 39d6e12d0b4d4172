/** The rows of a log with a row for each displayed item: those that can be read, and what is wrong with the others. */

import { type BadRow, type BadRows, joined, MOST_EXAMPLES } from "../bad_rows.ts";
import { UserError } from "../../user_error.ts";
import { NEEDED, type Places, placesOf, POSITION } from "./columns.ts";
import { readRecords } from "./records.ts";
import { type Fault, foundText, valuesOf, widthFault } from "./row_values.ts";
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
  readonly hasPositions: boolean;
}

/** @param onRead told which share of the text is read. @throws UserError for what is no such log at all: it names the line. */
export function readRows(path: string, text: string, onRead?: (share: number) => void): ReadRows {
  const rows: Rows = {
    users: new Names(),
    pages: new Names(),
    items: new Names(),
    user: [],
    page: [],
    item: [],
    time: [],
    place: [],
    clicked: [],
    kind: [],
  };
  const faults = new Faults(path);
  /** By their kind: which kind is a fault is known at the end. */
  const times = new Map<TimeKind, Faults>();
  const header: { places?: Places } = {};
  let [width, count] = [0, 0];
  readRecords(path, text, [...NEEDED, POSITION], ({ fields, line }) => {
    const { places } = header;
    if (!places) {
      header.places = placesOf(path, fields, line);
      width = fields.length;
      return;
    }
    count++;
    const found = fields.length === width ? valuesOf(fields, places) : widthFault(fields, width);
    if ("expected" in found) return faults.add(line, found);
    rows.user.push(rows.users.numberOf(found.user));
    rows.page.push(rows.pages.numberOf(found.page));
    rows.item.push(rows.items.numberOf(found.item));
    rows.time.push(found.time.ms);
    rows.place.push(found.place);
    rows.clicked.push(found.clicked);
    const { kind } = found.time;
    rows.kind.push(kind);
    const own = times.get(kind) ?? new Faults(path);
    times.set(kind, own);
    own.add(line, otherKind(fields[places.time] ?? ""));
  }, onRead);
  const { places } = header;
  if (!places) {
    throw new UserError(
      `${path}: the file is empty. Expected a header line and a row for each displayed item.`,
    );
  }
  const [most, ...others] = [...times].sort(([a, n], [b, m]) => m.total - n.total || (a < b ? -1 : 1));
  const bad = Faults.sum([faults, ...others.map(([, faults]) => faults)]);
  return { rows, bad, count, timeKind: most?.[0], hasPositions: places.position !== undefined };
}

function otherKind(time: string): Fault {
  return {
    kind: "time is another kind of time than in most rows",
    expected: "time to be a time of the kind that most rows have",
    found: foundText(time),
  };
}

/** Faults by kind, and the first of them. */
class Faults {
  readonly #counts = new Map<string, number>();
  readonly #examples: BadRow[] = [];
  total = 0;

  constructor(private readonly file: string) {}

  add(line: number, { kind, expected, found }: Fault): void {
    this.total++;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    if (this.#examples.length === MOST_EXAMPLES) return;
    this.#examples.push({ file: this.file, line, fault: `expected ${expected}, found ${found}` });
  }

  static sum(all: readonly Faults[]): BadRows {
    return joined(all.map((one) => ({ total: one.total, counts: one.#counts, examples: one.#examples })));
  }
}

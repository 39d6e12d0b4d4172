/** Tables for the terminal. */

import Table from "cli-table3";

/**
 * A table without colours: a rule below the head, no other borders. A column whose cells are all numbers ("-" or nothing
 * for a missing one) is aligned to the right.
 *
 * @returns lines without trailing blanks, joined by newlines, none at the end
 */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const colAligns = head.map((_, column) => {
    const cells = rows.map((row) => row[column] ?? "");
    const numeric = cells.some((cell) => cell !== "") && cells.every(isNumeric);
    return numeric ? "right" as const : "left" as const;
  });
  const output = new Table({ head: [...head], colAligns, chars: CHARS, style: STYLE });
  output.push(...rows.map((row) => row.map(String)));
  const lines = output.toString().split("\n").map((line) => line.trimEnd());
  const rule = "\u2500".repeat(Math.max(...lines.map((line) => line.length)));
  lines.splice(1, 0, rule); // the library would draw it below every row
  return lines.join("\n");
}

/** A column of a table of rows, and how soon it goes where a line is too narrow: 0 never. */
export interface Column<Row> {
  readonly head: string;
  readonly goes: number;
  cell(row: Row): string;
}

/** Characters of the widest line of a table whose columns may go. */
export const WIDEST = 100;

/** A table without the columns that have no room. @returns its text, and the columns that are left. */
export function fittedTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): { readonly text: string; readonly shown: readonly Column<Row>[] } {
  const text = table(
    columns.map(({ head }) => head),
    rows.map((row) => columns.map(({ cell }) => cell(row))),
  );
  const next = columns.reduce((least, { goes }) => goes > 0 ? Math.min(least, goes) : least, Infinity);
  if (next === Infinity || fits(text, Math.min(width, WIDEST))) return { text, shown: columns };
  return fittedTable(columns.filter(({ goes }) => goes !== next), rows, width);
}

/** Whether all lines of a text are as short as that. */
export function fits(text: string, width: number): boolean {
  return text.split("\n").every((line) => line.length <= width);
}

/** Characters of a line of the terminal that standard output goes to; any number where it goes elsewhere. */
export function outputWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}

const CHARS = {
  "top": "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  "bottom": "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  "left": "",
  "left-mid": "",
  "mid": "",
  "mid-mid": "",
  "right": "",
  "right-mid": "",
  "middle": "  ",
};
const STYLE = { "head": [], "border": [], "padding-left": 0, "padding-right": 0 };

function isNumeric(cell: string | number): boolean {
  return typeof cell === "number" || /^([-+]?[\d,]*\.?\d+(e[-+]?\d+)?( ?%)?|-|NaN|)$/i.test(cell.trim());
}

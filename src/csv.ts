/** Value of a CSV cell: null and undefined give an empty cell, true and false give 1 and 0. */
export type Cell = string | number | boolean | null | undefined;

/**
 * Formats a CSV row with its line break. Text with a comma, a quote or a line break is quoted. All other
 * text, such as an item's id, is written unchanged. Formulas are not escaped: a spreadsheet may run a cell
 * such as `=1+1` (see {@link isFormula}). Numbers are not rounded.
 */
export function formatCsvRow(cells: readonly Cell[]): string {
  return `${cells.map(formatCell).join(",")}\n`;
}

function formatCell(cell: Cell): string {
  if (typeof cell === "number") return Object.is(cell, -0) ? "-0" : String(cell);
  if (typeof cell === "boolean") return cell ? "1" : "0";
  const text = cell ?? "";
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Splits a CSV row. @returns its values, and true if the quote of the last value is not closed. */
export function splitCsvRow(text: string, delimiter: string): { fields: string[]; open: boolean } {
  const fields: string[] = [];
  for (let at = 0;;) {
    let value = "";
    if (text[at] === '"') {
      for (at++;; at += 2) {
        const end = text.indexOf('"', at);
        if (end < 0) return { fields: [...fields, value + text.slice(at)], open: true };
        value += text.slice(at, end);
        at = end;
        if (text[at + 1] !== '"') break;
        value += '"';
      }
      at++;
    }
    const end = text.indexOf(delimiter, at);
    fields.push(value + text.slice(at, end < 0 ? undefined : end));
    if (end < 0) return { fields, open: false };
    at = end + delimiter.length;
  }
}

/** Returns true if a spreadsheet may run a cell as a formula. A signed number is not a formula. */
export function isFormula(cell: Cell): boolean {
  return typeof cell === "string" && /^[=+\-@\t\r]/.test(cell) && !Number.isFinite(Number(cell));
}

/** The value of a cell; null and undefined leave it empty, and a boolean is 1 or 0. */
export type Cell = string | number | boolean | null | undefined;

/**
 * Formats a row with its line break. Text with a comma, a quote or a line break is quoted. Nothing else is changed, so that
 * ids stay those of the log: a spreadsheet may run a cell such as `=1+1`, see {@link isFormula}. A number reads back as the
 * same float.
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

/** Returns true if a spreadsheet may run a cell as a formula. A number with a sign is only a number. */
export function isFormula(cell: Cell): boolean {
  return typeof cell === "string" && /^[=+\-@\t\r]/.test(cell) && !Number.isFinite(Number(cell));
}

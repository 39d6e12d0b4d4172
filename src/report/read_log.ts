/** Reads a run's CSV log by the names of its columns. */

import { UserError } from "../user_error.ts";
import { explainFileError } from "../files/file_error.ts";
import type { RunLog } from "./report_data.ts";

/**
 * Columns beyond those asked for do no harm, one of them that is missing is left out, and a last line without its
 * newline, which may be on its way to the disk, is not read.
 *
 * @returns a log without rows when there is no such file
 * @throws UserError with file and line for a header without iterations and for a damaged row
 */
export async function readLog(path: string, columns: readonly string[]): Promise<RunLog> {
  const text = await Deno.readTextFile(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return "";
    throw explainFileError(error, "read the log", path);
  });
  return parseLog(text, path, columns);
}

export function parseLog(text: string, path: string, columns: readonly string[]): RunLog {
  const lines = text.split(/\r?\n/);
  lines.pop(); // "" after the last newline, or a line cut short
  const header = fields(lines.shift() ?? "iteration");
  const at = header.indexOf("iteration");
  if (at < 0) {
    throw new UserError(
      `${path}:1: expected a header with a column "iteration", found "${header.join(",")}". ` +
        "Is this the log of a run? Move the file away, or put the old one back.",
    );
  }
  const wanted = columns.flatMap((name) => header.includes(name) ? [{ name, at: header.indexOf(name) }] : []);
  const iteration: number[] = [];
  const values = new Map(wanted.map(({ name }) => [name, new Array<number | null>()]));
  lines.forEach((line, index) => {
    const row = fields(line);
    const damaged = (expected: string) =>
      new UserError(
        `${path}:${index + 2}: expected ${expected}, found "${line}". Correct or remove this line.`,
      );
    if (row.length !== header.length) throw damaged(`${header.length} values`);
    const number = Number(row[at] || NaN);
    const last = iteration.at(-1) ?? -1;
    if (!Number.isSafeInteger(number) || number <= last) throw damaged(`an iteration above ${last}`);
    iteration.push(number);
    for (const { name, at } of wanted) {
      const value = parseValue(row[at] ?? "");
      if (value === undefined) throw damaged(`a number for ${name}`);
      values.get(name)?.push(value);
    }
  });
  return { iteration, columns: values };
}

/** Null for a number that cannot be drawn and where there is none to draw, undefined for what is no number. */
function parseValue(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  return /^(nan|[-+]?inf(inity)?)$/i.test(text.trim()) ? null : undefined;
}

/** The fields of a line; what is in quotes is no number and only counted. */
function fields(line: string): string[] {
  return line.replace(/"(?:[^"]|"")*"/g, '""').split(",");
}

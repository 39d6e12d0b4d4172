/** Text that a command keeps up to date in a file that is written by hand. */

import { UserError } from "../user_error.ts";
import { explainFileError } from "../files/file_error.ts";

/**
 * Replaces what stands between the lines `<!-- NAME -->` and `<!-- end of NAME -->`.
 * @throws UserError when the file cannot be read or written, or has no such lines.
 */
export async function writeBetweenMarkers(file: string, name: string, text: string): Promise<void> {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  try {
    const before = await Deno.readTextFile(file);
    const [from, to] = [before.indexOf(begin), before.indexOf(end)];
    if (from < 0 || to < from) {
      throw new UserError(
        `Expected ${file} to have the lines ${begin} and ${end}, between which the table goes.`,
      );
    }
    const after = `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`;
    await Deno.writeTextFile(file, after);
  } catch (error) {
    throw explainFileError(error, "write", file);
  }
}

/** Lines of a Markdown table. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

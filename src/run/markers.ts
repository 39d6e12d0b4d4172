/** Text that a command keeps up to date in a file that is written by hand. */

import { UserError } from "../user_error.ts";
import { atomicWriteFile } from "../files/atomic_write.ts";
import { explainFileError } from "../files/local_file.ts";

/**
 * Replaces what stands between the lines `<!-- NAME -->` and `<!-- end of NAME -->`, as a whole or not at all.
 * @throws UserError when the file cannot be read or written, or has no such lines.
 */
export async function writeBetweenMarkers(file: string, name: string, text: string): Promise<void> {
  const { before, after } = await aroundMarkers(file, name);
  await atomicWriteFile(file, `${before}\n\n${text}\n\n${after}`);
}

/** @throws UserError when the file cannot be read, or lacks the lines that {@link writeBetweenMarkers} writes between. */
export async function expectMarkers(file: string, name: string): Promise<void> {
  await aroundMarkers(file, name);
}

async function aroundMarkers(file: string, name: string): Promise<{ before: string; after: string }> {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    throw explainFileError(error, "read", file);
  }
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) {
    throw new UserError(
      `Expected ${file} to have the lines ${begin} and ${end}, between which the table goes. Add them.`,
    );
  }
  return { before: text.slice(0, from + begin.length), after: text.slice(to) };
}

/** Lines of a Markdown table. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

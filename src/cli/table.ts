/** Formats tables for the terminal, and writes generated Markdown between two markers of a Markdown file. */

import { UserError } from "../user_error.ts";
import { writeFileAtomically } from "../files/atomic_write.ts";
import { readText, withFileErrors } from "../files/local_file.ts";

/**
 * Maximum width of a table, and headings of columns to drop one by one, in this order, until the table fits.
 * Of several columns with the same heading, the last one is dropped.
 */
export interface TableFit {
  readonly width?: number;
  readonly drop?: readonly string[];
}

/**
 * Formats a table with a rule below the header and no other borders. Numeric columns are aligned to the
 * right; a missing number is "-" or empty. If the table is too wide, columns are dropped. If it is still too
 * wide, the widest text column is wrapped at words. @returns lines without trailing blanks
 */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  { width = getOutputWidth(), drop = [] }: TableFit = {},
): string {
  const columns = head.map((title, column) => {
    const cells = rows.map((row) => row[column] ?? "");
    const isRight = cells.some((cell) => cell !== "") && cells.every(isNumeric);
    const texts = [title, ...cells.map(String)];
    return { isRight, texts, width: Math.max(...texts.map(measureText)) };
  });
  const excess = columns.reduce((sum, column) => sum + column.width + GAP.length, -GAP.length) - width;
  const [least, ...next] = drop;
  if (excess > 0 && least !== undefined) {
    const at = head.lastIndexOf(least);
    const isKept = (_: unknown, k: number) => k !== at;
    return formatTable(head.filter(isKept), rows.map((row) => row.filter(isKept)), { width, drop: next });
  }
  const longest = columns.filter(({ isRight }) => !isRight).sort((a, b) => b.width - a.width)[0];
  if (excess > 0 && longest) {
    const least = Math.max(...longest.texts.flatMap((text) => text.split(" ")).map(measureText), NARROWEST);
    longest.width = Math.min(longest.width, Math.max(least, longest.width - excess));
  }
  const lines = [head, ...rows].flatMap((_, row) => {
    const cells = columns.map(({ texts, width }) => wrapText(texts[row] ?? "", width).split("\n"));
    return Array.from(
      { length: Math.max(...cells.map(({ length }) => length)) },
      (_, line) =>
        columns.map(({ isRight, width }, k) => {
          const text = cells[k]?.[line] ?? "";
          const blank = " ".repeat(Math.max(0, width - measureText(text)));
          return isRight ? blank + text : text + blank;
        }).join(GAP).trimEnd(),
    );
  });
  const rule = "\u2500".repeat(Math.max(...lines.map(measureText)));
  const heads = Math.max(
    ...columns.map(({ texts, width }) => wrapText(texts[0] ?? "", width).split("\n").length),
  );
  return [...lines.slice(0, heads), rule, ...lines.slice(heads)].join("\n");
}

/** Formats a table of ranked items, best first. Columns "title" and "Q" are left out if they are empty. */
export function formatRankedItems(
  items: readonly {
    readonly item: string;
    readonly title?: string;
    readonly utility: number;
    readonly probability: number;
    readonly value?: number;
  }[],
): string {
  const [titles, values] = (["title", "value"] as const).map((name) => items.some((item) => name in item));
  return formatTable(
    ["", "item", ...(titles ? ["title"] : []), "utility", "P(click)", ...(values ? ["Q"] : [])],
    items.map(({ item, title = "", utility, probability, value }, k) => [
      ...[String(k + 1), item, ...(titles ? [title] : []), utility.toFixed(4), probability.toFixed(4)],
      ...(values ? [value?.toFixed(3) ?? "-"] : []),
    ]),
  );
}

const GAP = "  ";
/** Minimum width to which a text column is wrapped, in characters. */
const NARROWEST = 12;

/** Wraps the lines of a text at words, with indentation. Wrapped lines of commands end in a backslash. */
export function wrapText(text: string, width: number): string {
  return text.split("\n").map((line) => {
    if (measureText(line) <= width || /^\u2500+$/.test(line)) return line;
    const isCommand = /^ *(deno|npx|mpirun) /.test(line);
    const [begin = ""] = (isCommand ? null : /^ *\S.*? {2,}(?=\S)/.exec(line)) ?? /^ */.exec(line) ?? [];
    const isWide = begin.length > width / 2;
    const indent = " ".repeat(isCommand ? begin.length + 4 : isWide ? 6 : begin.length);
    const end = isCommand ? " \\" : "";
    const lines = isWide ? [begin.trimEnd(), indent] : [begin];
    for (const word of line.slice(begin.length).split(" ")) {
      const last = lines.at(-1) ?? "";
      const isFirst = last.trim() === "" || last === begin;
      if (measureText(last) + word.length + 1 + end.length > width && !isFirst) {
        lines[lines.length - 1] = last.trimEnd() + end;
        lines.push(indent + word);
      } else lines[lines.length - 1] = isFirst ? last + word : `${last} ${word}`;
    }
    return lines.join("\n");
  }).join("\n");
}

/** Returns the display width of a text. East Asian letters count as 2 characters, combining marks as 0. */
function measureText(text: string): number {
  const marks = text.match(/\p{Mark}/gu)?.length ?? 0;
  const wide = text.match(
    /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60]|\p{Emoji_Presentation}/gu,
  );
  return [...text].length - marks + (wide?.length ?? 0);
}

/** Maximum line length, in characters, of tables that may drop columns. */
export const WIDEST = 100;

export function fitsWidth(text: string, width: number): boolean {
  return text.split("\n").every((line) => line.length <= width);
}

/** Returns the width of the terminal, or Infinity if standard output is not a terminal. */
export function getOutputWidth(): number {
  return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : Infinity;
}

function isNumeric(cell: string | number): boolean {
  return typeof cell === "number" || /^([-+]?[\d,]*\.?\d+(e[-+]?\d+)?( ?%)?|-|NaN|)$/i.test(cell.trim());
}

/** A file is replaced only if this many characters at its beginning have not changed since it was read. */
const READ_AGAIN = 400;

/**
 * Replaces the text between the lines `<!-- NAME -->` and `<!-- end of NAME -->` of a file, atomically.
 * @throws UserError if the file cannot be read or written, or does not contain both lines.
 */
export async function writeBetweenMarkers(file: string, name: string, text: string): Promise<void> {
  const { before, after } = await aroundMarkers(file, name);
  // Replaces the file only if it still has the text that was read.
  await writeFileAtomically(file, `${before}\n\n${text}\n\n${after}`, `\n${before.slice(0, READ_AGAIN)}`);
}

/** Writes a block with a bold title between two markers. A block with the same title is replaced. */
export async function writeBlock(file: string, name: string, title: string, text: string): Promise<void> {
  const { between } = await aroundMarkers(file, name);
  const begin = `**${title}**`;
  const blocks = between.split(/^(?=\*\*)/m).map((block) => block.trim()).filter((block) => block !== "");
  const at = blocks.findIndex((block) => block.startsWith(begin));
  blocks.splice(at < 0 ? blocks.length : at, 1, `${begin}${text}`);
  await writeBetweenMarkers(file, name, blocks.join("\n\n"));
}

/** @throws UserError if the file cannot be read, or does not contain the marker lines. */
export async function expectMarkers(file: string, name: string): Promise<void> {
  await aroundMarkers(file, name);
}

async function aroundMarkers(
  file: string,
  name: string,
): Promise<{ before: string; between: string; after: string }> {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const text = await withFileErrors("read", file, () => readText(file));
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) {
    throw new UserError(
      `Expected the line ${begin} and a later line ${end} in ${file}. Add them around the table.`,
    );
  }
  const start = from + begin.length;
  return { before: text.slice(0, start), between: text.slice(start, to), after: text.slice(to) };
}

export function formatMarkdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

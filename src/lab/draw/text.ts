/** Formats numbers and names, and renders tables and Markdown, for the lab's page. */

import { Html, markup } from "../../report/html.ts";
import { formatShort, formatThousands } from "../../number_text.ts";

/** Formats microseconds, e.g. "12.3 us" or "4.56 ms". */
export function formatMicroseconds(microseconds: number): string {
  return microseconds >= 1000 ? `${formatShort(microseconds / 1000)} ms` : `${formatShort(microseconds)} us`;
}

/** Formats a number of bytes, e.g. "512 B" or "6.25 MiB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${formatShort(bytes / 1024)} KiB` : `${formatShort(bytes / 2 ** 20)} MiB`;
}

export function formatCount(value: number): string {
  return formatThousands(Math.round(value));
}

type Cell = string | Html;
/** Headings of columns. The heading of a text column is in an array. */
type Heads = readonly (string | readonly [string])[];

/**
 * Renders a table. Tables that are too wide can be scrolled, also with the keyboard.
 * @param kinds CSS classes of the table @param rows a row is a name and cells, or markup
 */
export function renderScrollTable(
  label: string,
  kinds: string,
  head: Html | Heads,
  rows: readonly (Html | readonly [name: Cell, ...cells: Cell[]])[],
  caption?: Html,
): Html {
  const renderRow = ([name, ...cells]: readonly [Cell, ...Cell[]]) =>
    markup`<tr><th scope="row">${name}</th>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>`;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="${kinds}">${caption}
<thead>${head instanceof Html ? head : renderHeadRow(...head)}</thead>
<tbody>${rows.map((row) => row instanceof Html ? row : renderRow(row))}</tbody></table></div>`;
}

export function renderHeadRow(...names: Heads): Html {
  return markup`<tr>${
    names.map((name) =>
      typeof name === "string"
        ? markup`<th scope="col">${name}</th>`
        : markup`<th scope="col" class="text">${name[0]}</th>`
    )
  }</tr>`;
}

/** Renders a text without line breaks inside an option such as --batch-size. */
export function markOptions(text: string): Html {
  const mark = (flag: string) => markup`<span class="option">${flag}</span>`;
  return markup`${
    text.split(/(--[a-z][a-z-]*)/).map((part, k) => k % 2 === 0 ? markup`${part}` : mark(part))
  }`;
}

/** Renders a name in which a line may break after _ and /. */
export function renderBreakableName(name: string): Html {
  const words = name.split(/(?<=[_/])/);
  return markup`${words.map((word, k) => k === 0 ? markup`${word}` : markup`<wbr>${word}`)}`;
}

export function renderMarkdown(markdown: string): Html {
  const parts = markdown.trim().split(/^```\w*\n([^]*?)^```$/m).map((part, k) =>
    k % 2 === 1
      ? markup`<pre tabindex="0" role="region" aria-label="Formulas"><code>${part.trimEnd()}</code></pre>`
      : markup`${part.split(/\n\s*\n/).filter((block) => block.trim() !== "").map(block)}`
  );
  return markup`${parts}`;
}

function block(text: string): Html {
  const lines = text.trim().split("\n");
  if (lines.every((line) => line.startsWith("|"))) return table(lines);
  if (/^[-*] /.test(lines[0] ?? "")) {
    const items = text.trim().split(/^[-*] /m).slice(1);
    return markup`<ul>${items.map((item) => markup`<li>${inline(item)}</li>`)}</ul>`;
  }
  return markup`<p>${inline(text.trim())}</p>`;
}

function table(lines: readonly string[]): Html {
  const cells = (line: string) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const [head = "", , ...rows] = lines;
  return markup`<table><thead><tr>${
    cells(head).map((cell) => markup`<th scope="col">${inline(cell)}</th>`)
  }</tr></thead><tbody>${
    rows.map((row) => markup`<tr>${cells(row).map((cell) => markup`<td>${inline(cell)}</td>`)}</tr>`)
  }</tbody></table>`;
}

/** Renders inline Markdown. Only the text of a link is kept, because the link's target is not in the page. */
function inline(text: string): Html {
  const pieces = text.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1").split(
    /(`[^`]+`|\*\*[^*]+\*\*|(?<!\w)_[^_]+_(?!\w))/,
  );
  return markup`${
    pieces.map((piece) =>
      /^`.+`$/s.test(piece)
        ? markup`<code>${piece.slice(1, -1)}</code>`
        : /^\*\*.+\*\*$/s.test(piece)
        ? markup`<strong>${piece.slice(2, -2)}</strong>`
        : /^_.+_$/s.test(piece)
        ? markup`<em>${piece.slice(1, -1)}</em>`
        : markup`${piece}`
    )
  }`;
}

/** Formats numbers and names, and renders tables and Markdown. */

import { Html, markup } from "../../report/html.ts";
import { formatShort, formatThousands } from "../../number_text.ts";

/** Formats microseconds, for example "12.3 us" or "4.56 ms". */
export function formatMicroseconds(microseconds: number): string {
  return microseconds >= 1000 ? `${formatShort(microseconds / 1000)} ms` : `${formatShort(microseconds)} us`;
}

/** Formats a number of bytes, for example "512 B" or "6.25 MiB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${formatShort(bytes / 1024)} KiB` : `${formatShort(bytes / 2 ** 20)} MiB`;
}

export function formatCount(value: number): string {
  return formatThousands(Math.round(value));
}

type Cell = string | Html;
/** Headings of a table's columns: a string for a column of numbers, [string] for a column of text. */
type Heads = readonly (string | readonly [string])[];

/** Renders a scrollable table. @param kinds - CSS classes @param rows - cells or markup of each row */
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

/** Renders a name that may break after _ and /. */
export function renderBreakableName(name: string): Html {
  const words = name.split(/(?<=[_/])/);
  return markup`${words.map((word, k) => k === 0 ? markup`${word}` : markup`<wbr>${word}`)}`;
}

/** Returns the address in the lab that replaces a link's target; undefined if there is none. */
type ResolveLink = (target: string) => string | undefined;

/** Renders Markdown. Links that `resolve` lacks become text; code such as `#course` becomes a link. */
export function renderMarkdown(markdown: string, resolve: ResolveLink = () => undefined): Html {
  const parts = markdown.trim().split(/^```\w*\n([^]*?)^```$/m).map((part, k) =>
    k % 2 === 1
      ? markup`<pre tabindex="0" role="region" aria-label="Formulas ${
        (k + 1) / 2
      }"><code>${part.trimEnd()}</code></pre>`
      : markup`${
        part.split(/\n\s*\n/).filter((text) => text.trim() !== "").map((text) => block(text.trim(), resolve))
      }`
  );
  return markup`${parts}`;
}

function block(text: string, resolve: ResolveLink): Html {
  const lines = text.split("\n");
  const list = (mark: RegExp) =>
    text.split(mark).slice(1).map((item) => markup`<li>${inline(item, resolve)}</li>`);
  if (lines.every((line) => line.startsWith("|"))) return table(lines, resolve);
  if (/^[-*] /.test(text)) return markup`<ul>${list(/^[-*] /m)}</ul>`;
  const [, number] = /^(\d+)\. /.exec(text) ?? [];
  if (number !== undefined) return markup`<ol start="${number}">${list(/^\d+\. /m)}</ol>`;
  const [, summary] = /^<details><summary>(.*)<\/summary>$/.exec(text) ?? [];
  if (summary !== undefined) return new Html(markup`<details><summary>${summary}</summary>`.text);
  if (text === "</details>") return new Html(text);
  const [, marks, title = ""] = /^(#+) (.*)$/.exec(text) ?? [];
  if (marks === "#") return markup`<h3>${inline(title, resolve)}</h3>`;
  if (marks !== undefined) return markup`<h4>${inline(title, resolve)}</h4>`;
  return markup`<p>${inline(text, resolve)}</p>`;
}

function table(lines: readonly string[], resolve: ResolveLink): Html {
  const cells = (line: string) =>
    line.replace(/^\||\|$/g, "").split("|").map((cell) => inline(cell.trim(), resolve));
  const [head = "", , ...rows] = lines;
  return markup`<table><thead><tr>${
    cells(head).map((cell) => markup`<th scope="col">${cell}</th>`)
  }</tr></thead><tbody>${
    rows.map((row) => markup`<tr>${cells(row).map((cell) => markup`<td>${cell}</td>`)}</tr>`)
  }</tbody></table>`;
}

/** Matches code, bold text, a link or emphasis. */
const MARKED = /(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]*\)|(?<!\w)_[^_]+_(?!\w))/;

function inline(text: string, resolve: ResolveLink): Html {
  return markup`${text.split(MARKED).map((piece) => renderMarked(piece, resolve))}`;
}

function renderMarked(piece: string, resolve: ResolveLink): Html {
  const own = piece.slice(1, -1);
  if (/^`#[a-z]+([=/][\w-]+)?`$/.test(piece)) return markup`<a href="${own}"><code>${own}</code></a>`;
  if (/^`.+`$/s.test(piece)) return markup`<code>${own}</code>`;
  if (/^\*\*.+\*\*$/s.test(piece)) return markup`<strong>${inline(piece.slice(2, -2), resolve)}</strong>`;
  if (/^_.+_$/s.test(piece)) return markup`<em>${own}</em>`;
  const [, words, target = ""] = /^\[([^\]]+)\]\(([^)]*)\)$/.exec(piece) ?? [];
  if (words === undefined) return markup`${piece}`;
  const address = resolve(target);
  const shown = inline(words, resolve);
  return address === undefined ? shown : markup`<a href="${address}">${shown}</a>`;
}

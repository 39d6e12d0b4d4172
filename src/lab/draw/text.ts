/** Numbers, names, prose and WGSL as the lab writes them. */

import { thousands } from "../../thousands.ts";
import { type Html, markup } from "../../report/html.ts";

/** Three figures of a number, more where it is large. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

/** "12.3 us", "4.56 ms". */
export function duration(microseconds: number): string {
  return microseconds >= 1000 ? `${short(microseconds / 1000)} ms` : `${short(microseconds)} us`;
}

/** "512 B", "6.25 MiB". */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${short(bytes / 1024)} KiB` : `${short(bytes / 2 ** 20)} MiB`;
}

/** A count: "1,234,567". */
export function whole(value: number): string {
  return thousands(Math.round(value));
}

/** "6.7 %", "67 %". @param share of 1; "-" where there is none. */
export function percent(share: number | undefined): string {
  return share === undefined ? "-" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** A table that scrolls where it is too wide, a region of its own for whoever has no pointer. @param kinds classes */
export function scrollTable(
  label: string,
  kinds: string,
  head: Html,
  rows: readonly Html[],
  caption?: Html,
): Html {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="${kinds}">${caption}
<thead>${head}</thead>
<tbody>${rows}</tbody></table></div>`;
}

/** Heads of columns: those of numbers, or in an array one of text. */
export function headRow(...names: readonly (string | readonly [string])[]): Html {
  return markup`<tr>${
    names.map((name) =>
      typeof name === "string"
        ? markup`<th scope="col">${name}</th>`
        : markup`<th scope="col" class="text">${name[0]}</th>`
    )
  }</tr>`;
}

/** Text in which no line ends within the hyphens of an option, such as --batch-size. */
export function withOptions(text: string): Html {
  const parts = text.split(/(--[a-z][a-z-]*)/);
  return markup`${
    parts.map((part, k) => k % 2 === 0 ? markup`${part}` : markup`<span class="option">${part}</span>`)
  }`;
}

/** A name of words that are joined by _ or /, which may be broken behind them. */
export function breakable(name: string): Html {
  return markup`${
    name.split(/(?<=[_/])/).map((word, k) => k === 0 ? markup`${word}` : markup`<wbr>${word}`)
  }`;
}

/** The little of Markdown that the course uses: paragraphs, fenced text, lists, tables, bold, code and links. */
export function proseHtml(markdown: string): Html {
  const parts = markdown.trim().split(/^```\w*\n([^]*?)^```$/m).map((part, k) =>
    k % 2 === 1
      ? markup`<pre tabindex="0" role="region" aria-label="Formulas"><code>${
        part.replace(/\n$/, "")
      }</code></pre>`
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

/** Links lose where they lead: what they name is not in the page. */
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

type Kind = "comment" | "keyword" | "type" | "attribute" | "number" | "call";

const KEYWORDS =
  "const let var fn if else for while loop return struct switch case default break continue discard true " +
  "false override alias enable storage read read_write uniform workgroup private function";
const TYPES =
  "(?:bool|[iuf]32|f16|vec[234][iufh]?|mat[234]x[234][fh]?|array|atomic|texture_storage_2d|rgba32float)";

const PARTS: readonly (readonly [Kind, string])[] = [
  ["comment", "//.*"],
  ["attribute", "@\\w+"],
  ["number", "\\b(?:0x[0-9a-fA-F]+|\\d+\\.?\\d*(?:e[+-]?\\d+)?|\\.\\d+)[iufh]?\\b"],
  ["keyword", `\\b(?:${KEYWORDS.replaceAll(" ", "|")})\\b`],
  ["type", `\\b${TYPES}\\b`],
  ["call", "\\b[a-zA-Z_]\\w*(?=\\()"],
];
const PATTERN = new RegExp(PARTS.map(([, pattern]) => `(${pattern})`).join("|"), "g");

/** A line with its parts in spans of the classes `wgsl-comment`, `wgsl-keyword`, ... */
export function wgslLine(line: string): Html {
  const parts: Html[] = [];
  let at = 0;
  for (const match of line.matchAll(PATTERN)) {
    const [text, ...groups] = match;
    const kind = PARTS[groups.findIndex((group) => group !== undefined)]?.[0];
    if (match.index > at) parts.push(markup`${line.slice(at, match.index)}`);
    parts.push(markup`<span class="wgsl-${kind ?? "comment"}">${text}</span>`);
    at = match.index + text.length;
  }
  return markup`${parts}${line.slice(at)}`;
}

/** @param marked numbers of lines, from 1, that stand out */
export function wgslListing(text: string, marked: readonly number[]): Html {
  const set = new Set(marked);
  const lines = text.replace(/\n$/, "").split("\n").map((line, k) =>
    set.has(k + 1) ? markup`<mark>${wgslLine(line)}</mark>\n` : markup`<span>${wgslLine(line)}</span>\n`
  );
  return markup`<pre class="wgsl" tabindex="0" role="region" aria-label="WGSL as the driver gets it"><code>${lines}</code></pre>`;
}

/** What stands behind a word at the head of a kernel's text, such as "Work split", to the next one; undefined without it. */
export function headerPart(text: string, word: string): string | undefined {
  const lines = text.split("\n");
  const head = lines.slice(0, lines.findIndex((line) => !line.startsWith("//")));
  const from = head.findIndex((line) => line.startsWith(`// ${word} `));
  if (from < 0) return undefined;
  const rest = head.slice(from + 1);
  const end = rest.findIndex((line) => !/^\/\/ {6,}\S/.test(line));
  const own = [head[from]?.slice(3 + word.length) ?? "", ...rest.slice(0, end < 0 ? undefined : end)];
  return own.map((line) => line.replace(/^\/\//, "").trim()).join(" ").trim();
}

/** Numbers of the lines, from 1, of a kernel's text as the driver gets it that are not as in its file. */
export function specialisedLines(driven: string, file: string): number[] {
  const lines = file.split("\n");
  return driven.split("\n").flatMap((line, k) => line === lines[k] ? [] : [k + 1]);
}

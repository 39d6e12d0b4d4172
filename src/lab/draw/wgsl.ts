/** WGSL with its parts marked, a line each, so that lines can be numbered and found. */

import { highlightText, languages } from "prism-code-editor/prism";
import { Html, markup } from "../../report/html.ts";

const KEYWORDS =
  "const let var fn if else for while loop return struct switch case default break continue discard true " +
  "false override alias enable storage read read_write uniform workgroup private function";
const TYPES =
  "(?:bool|[iuf]32|f16|vec[234][iufh]?|mat[234]x[234][fh]?|array|atomic|texture_storage_2d|rgba32float)";

/** Prism's name of the grammar. Its own one knows neither `vec4f` nor `override`. */
export const WGSL = "wgsl";
languages[WGSL] = {
  comment: /\/\/.*/g,
  attribute: /@\w+/,
  number: /\b(?:0x[0-9a-fA-F]+|\d+\.?\d*(?:e[+-]?\d+)?)[iufh]?\b|\.\d+[fh]?\b/,
  keyword: new RegExp(`\\b(?:${KEYWORDS.replaceAll(" ", "|")})\\b`),
  type: new RegExp(`\\b${TYPES}\\b`),
  call: /\b[a-zA-Z_]\w*(?=\()/,
};

/** @param marked numbers of lines, from 1, that stand out */
export function wgslListing(text: string, marked: readonly number[]): Html {
  const set = new Set(marked);
  const lines = highlightText(text.replace(/\n$/, ""), WGSL).split("\n").map((line, k) =>
    set.has(k + 1) ? markup`<mark>${new Html(line)}</mark>\n` : markup`<span>${new Html(line)}</span>\n`
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

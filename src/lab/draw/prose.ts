/** The little of Markdown that the course's sections use: paragraphs, fenced text, lists, tables, bold, code and links. */

import { type Html, markup } from "../../report/html.ts";

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

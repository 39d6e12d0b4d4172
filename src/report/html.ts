/** Builds HTML. Strings that are inserted into HTML are always escaped. */

import type { ChartDefinition } from "./chart_definition.ts";

export class Html {
  /** @param text - HTML source @param charts - definitions of the charts that `text` contains */
  constructor(readonly text: string, readonly charts: readonly ChartDefinition[] = []) {}
}

type Content = string | number | Html | readonly Html[] | undefined | false;

/**
 * Template tag that escapes all values except {@link Html}. `deno fmt` would reformat templates of a tag
 * with the name `html`, so the tag has another name.
 */
export function markup(pieces: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(
    pieces.map((piece, k) => piece + (k < values.length ? renderContent(values[k]) : "")).join(""),
    values.flat().flatMap((value) => value instanceof Html ? value.charts : []),
  );
}

function renderContent(value: Content): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "string" || typeof value === "number") return escape(String(value));
  return value.map(({ text }) => text).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** Renders a text in which options such as --batch-size are not broken across lines. */
export function markOptions(text: string): Html {
  const mark = (flag: string) => markup`<span class="option">${flag}</span>`;
  return markup`${
    text.split(/(--[a-z][a-z-]*)/).map((part, k) => k % 2 === 0 ? markup`${part}` : mark(part))
  }`;
}

/** Returns a script element with a value as JSON. `<` is escaped, so the value cannot end the element. */
export function jsonScript(id: string, value: unknown): Html {
  const json = new Html(JSON.stringify(value).replaceAll("<", "\\u003c"));
  return markup`<script type="application/json" id="${id}">${json}</script>`;
}

/** Escapes `</script` and `<!--` in the string literals of a trusted script. Browsers read them as markup. */
export function scriptText(script: string): Html {
  return new Html(script.replace(/<(?=\/script|!--)/gi, "\\x3c"));
}

export function inlineScript(script: string): Html {
  return markup`<script>${scriptText(script)}</script>`;
}

export function htmlPage(policy: string, head: Html, body: Html): string {
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
${head}
</head>
<body>
${body}
</body>
</html>
`.text;
}

/** HTML as a type of its own, so that text from the data is always escaped; with the charts that stand in it. */

import type { ChartDefinition } from "./chart_definition.ts";

export class Html {
  /** @param text is HTML already. @param charts whose places stand in it */
  constructor(readonly text: string, readonly charts: readonly ChartDefinition[] = []) {}
}

/** Nothing is undefined, or false. */
type Content = string | number | Html | readonly Html[] | undefined | false;

/**
 * A template whose values are escaped unless they are HTML: `` markup`<b>${name}</b>` ``. (Not named `html`: the formatter
 * would rearrange it.)
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

/** JSON for a script element: no `<` can end the element or begin a comment in it. */
export function jsonScript(id: string, value: unknown): Html {
  const json = new Html(JSON.stringify(value).replaceAll("<", "\\u003c"));
  return markup`<script type="application/json" id="${id}">${json}</script>`;
}

/** A script of one's own, as an element may hold it. Ending tags in it can only stand in strings, where the backslash changes nothing. */
export function scriptText(script: string): Html {
  return new Html(script.replace(/<(?=\/script|!--)/gi, "\\x3c"));
}

/** A script of one's own that runs. */
export function inlineScript(script: string): Html {
  return markup`<script>${scriptText(script)}</script>`;
}

/** A page that loads nothing but what its policy allows. */
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

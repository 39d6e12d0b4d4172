/** What the models were made with, and on: first what they share, then what they differ in. */

import { type Html, markup } from "./html.ts";
import type { Model, Settings } from "./report_data.ts";

const MISSING = "–";

/** @param what names the tables for those who do not see them */
export function settingsTables(
  models: readonly Model[],
  settings: (model: Model) => Settings,
  what: string,
): Html {
  const keys = [...new Set(models.flatMap((model) => [...settings(model).keys()]))];
  const values = (key: string) => models.map((model) => settings(model).get(key) ?? MISSING);
  const same = keys.filter((key) => new Set(values(key)).size === 1);
  const different = keys.filter((key) => !same.includes(key));
  return markup`${same.length > 0 ? sameTable(same, (key) => values(key)[0] ?? MISSING) : markup``}
${different.length > 0 ? differentTable(models, different, values, what) : markup``}`;
}

function sameTable(keys: readonly string[], value: (key: string) => string): Html {
  const rows = keys.map((key) =>
    markup`
<tr><th scope="row">${key}</th><td>${value(key)}</td></tr>`
  );
  return markup`<table class="settings">${rows}</table>`;
}

function differentTable(
  models: readonly Model[],
  keys: readonly string[],
  values: (key: string) => string[],
  what: string,
): Html {
  const heads = models.map(({ name }) => markup`<th scope="col">${name}</th>`);
  const rows = keys.map((key) =>
    markup`
<tr><th scope="row">${key}</th>${values(key).map((value) => markup`<td>${value}</td>`)}</tr>`
  );
  return markup`<p>Differences:</p>
<div class="scroll" tabindex="0" role="region" aria-label="Differences between the models: ${what}">
<table class="differences"><thead><tr><th scope="col">setting</th>${heads}</tr></thead>
<tbody>${rows}</tbody></table></div>`;
}

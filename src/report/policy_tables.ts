/** What the pages about simulated users and policies share: tables of figures with their ranges, and facts at the head. */

import type { Interval } from "../figures/bootstrap.ts";
import { MISSING, rangeText } from "./figures_table.ts";
import { type Html, markup } from "./html.ts";

/** Names and values, e.g. the folders of the policies. */
export type Facts = readonly (readonly [string, string])[];

export function factsList(facts: Facts): Html {
  return markup`<dl class="facts">${
    facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)
  }</dl>`;
}

/** @param label for those who do not see it. @param head names of the columns; that of a verdict is text. @param bodies rows by groups. */
export function groupedTable(label: string, head: readonly string[], bodies: readonly Html[]): Html {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table class="figures"><thead><tr>${
    head.map((name) =>
      name === "verdict"
        ? markup`<th scope="col" class="text">${name}</th>`
        : markup`<th scope="col">${name}</th>`
    )
  }</tr></thead>${bodies}</table></div>`;
}

/** A cell with a figure, and the range that it has. */
export function figureCell(
  { mean, interval }: { readonly mean: number; readonly interval: Interval | null },
  digits: number,
): Html {
  if (Number.isNaN(mean)) return markup`<td>${MISSING}</td>`;
  return markup`<td>${mean.toFixed(digits)}${interval ? rangeText(interval, digits) : ""}</td>`;
}

/** A cell with a difference, and the range that it has. */
export function differenceCell(
  { mean, interval }: { readonly mean: number; readonly interval: Interval | null },
  digits: number,
): Html {
  return markup`<td>${mean > 0 ? "+" : ""}${mean.toFixed(digits)}${
    interval ? rangeText(interval, digits) : ""
  }</td>`;
}

/** A share of 1 as percent. */
export function shareText(value: number): string {
  if (Number.isNaN(value)) return MISSING;
  const percent = 100 * value;
  return `${percent.toFixed(percent > 0 && percent < 10 ? 1 : 0)} %`;
}

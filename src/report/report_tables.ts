/** Renders tables and lists for pages: rows in groups, metrics with intervals, claims with outcomes. */

import type { Interval } from "../metrics/bootstrap.ts";
import { type Claim, claimOutcomes, formatSigned, formatSignedRange } from "../metrics/baseline_verdict.ts";
import { type Html, markup } from "./html.ts";

export const MISSING = "-";

/** Facts on a page, each a name and a value, such as ("folder", "runs/x"). */
export type NamedFacts = readonly (readonly [string, string])[];

/** Renders facts as a list. @param getClass - maps the name of a fact to the CSS class of its value */
export function renderFacts(facts: NamedFacts, getClass?: (name: string) => string): Html {
  const look = (name: string) => getClass && markup` class="${getClass(name)}"`;
  return markup`<dl class="facts">${
    facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd${look(name)}>${value}</dd></div>`)
  }</dl>`;
}

export type ReportRow = readonly [name: ReportCell, ...cells: ReportCell[]];
export type ReportCell = string | Html;

/** A group of rows with a title. If the title is "", the group has no heading. */
export type ReportRowGroup = readonly [title: string, rows: readonly ReportRow[]];

/** Returns true if a cell is text that begins with a letter, such as a kernel's name. */
function isWord(cell: ReportCell | undefined): boolean {
  return typeof cell === "string" && /^[a-z]/i.test(cell);
}

/**
 * Renders a table. A table that is wider than the page can be scrolled. @param label - for screen readers
 * @param head - names of the columns; the first column has the names of the rows
 */
export function renderTable(
  label: string,
  head: readonly ReportCell[],
  groups: readonly ReportRowGroup[],
  look: "numeric" | "differences" = "numeric",
): Html {
  const isText = head.map((_, k) => groups.some(([, rows]) => rows.some((row) => isWord(row[k]))));
  const text = (k: number) => isText[k] && markup` class="text"`;
  const rowHtml = ([name, ...cells]: ReportRow) =>
    markup`
<tr><th scope="row">${name}</th>${cells.map((cell, k) => markup`<td${text(k + 1)}>${cell}</td>`)}</tr>`;
  const bodies = groups.map(([title, rows]) => {
    const heading = title !== "" &&
      markup`<tr><th colspan="${head.length}" scope="rowgroup">${title}</th></tr>`;
    return markup`<tbody>${heading}${rows.map(rowHtml)}</tbody>`;
  });
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table class="${look}"><thead><tr>${
    head.map((name, k) => markup`<th scope="col"${k > 0 && text(k)}>${name}</th>`)
  }</tr></thead>${bodies}</table></div>`;
}

/** Renders a value, and below the value "± sd" or, if the sd is unknown, the interval. */
export function renderMetric(
  value: number | null | undefined,
  digits: number,
  interval?: Interval | typeof MISSING | null,
  sd?: number | null,
): ReportCell {
  if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
  const text = value.toFixed(digits);
  if (typeof sd === "number") return markup`${text}<br><small>± ${sd.toFixed(digits)}</small>`;
  if (!interval) return text;
  if (interval === MISSING) return markup`${text}<br><small>${MISSING}</small>`;
  const [low, high] = interval.map((end) => end.toFixed(rangeDigits(digits)));
  return markup`${text}<br><small>${low ?? ""} to ${high ?? ""}</small>`;
}

export function renderDifference(
  value: number | undefined,
  digits: number,
  interval?: Interval | null,
): ReportCell {
  if (value === undefined) return MISSING;
  if (!interval) return formatSigned(value, digits);
  return markup`${formatSigned(value, digits)}<br><small>${
    formatSignedRange(interval, rangeDigits(digits))
  }</small>`;
}

const rangeDigits = (digits: number) => Math.min(digits, 3);

const SIGNS = { yes: "\u2713", no: "\u2717", undecided: "?" } as const;

export function renderClaims(claims: readonly Claim[]): Html {
  const items = claims.map(({ claim, holds, text }) =>
    markup`<li><b>${claim}</b> <span class="verdict">${SIGNS[holds]} ${
      claimOutcomes[holds]
    }</span><br>${text}</li>`
  );
  return markup`<ul class="claims">${items}</ul>`;
}

export function renderFindings(claims: readonly Claim[]): Html {
  const items = claims.map(({ holds, text }) => markup`<li><b>${SIGNS[holds]}</b> ${text}</li>`);
  return markup`<ul class="claims">${items}</ul>`;
}

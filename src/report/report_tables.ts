/** The tables of all pages: rows in groups, figures with their ranges, and claims with what became of them. */

import type { Interval } from "../metrics/bootstrap.ts";
import { type Claim, claimOutcomes, formatSigned, formatSignedRange } from "../metrics/baseline_verdict.ts";
import { type Html, markup } from "./html.ts";

/** Stands where there is no figure. */
export const MISSING = "-";

/** Names and values, e.g. the folders of the policies. */
export type NamedFacts = readonly (readonly [string, string])[];

/** @param classOf of the value, by its name. */
export function renderFacts(facts: NamedFacts, classOf?: (name: string) => string): Html {
  const look = (name: string) => classOf && markup` class="${classOf(name)}"`;
  return markup`<dl class="facts">${
    facts.map(([name, value]) => markup`<div><dt>${name}</dt><dd${look(name)}>${value}</dd></div>`)
  }</dl>`;
}

/** What a row has: its name, and text or a figure for each of the other columns. */
export type ReportRow = readonly [name: ReportCell, ...cells: ReportCell[]];
export type ReportCell = string | Html;

/** Rows under a heading of their own, or "" for none. */
export type ReportRowGroup = readonly [title: string, rows: readonly ReportRow[]];

/** Such as a verdict, or the name of a kernel: a column that has words is read as text. */
function isWord(cell: ReportCell | undefined): boolean {
  return typeof cell === "string" && /^[a-z]/i.test(cell);
}

/**
 * A table that can be wider than the page.
 * @param label for those who do not see it. @param head names of the columns, the rows' own first.
 */
export function renderTable(
  label: string,
  head: readonly string[],
  groups: readonly ReportRowGroup[],
  look: "figures" | "differences" = "figures",
): Html {
  const isText = head.map((_, k) => groups.some(([, rows]) => rows.some((row) => isWord(row[k]))));
  const text = (k: number) => isText[k] && markup` class="text"`;
  const rowHtml = ([name, ...cells]: ReportRow) =>
    markup`
<tr><th scope="row">${name}</th>${cells.map((cell, k) => markup`<td${text(k + 1)}>${cell}</td>`)}</tr>`;
  const bodies = groups.map(([title, rows]) => {
    const own = title === ""
      ? ""
      : markup`<tr><th colspan="${head.length}" scope="rowgroup">${title}</th></tr>`;
    return markup`<tbody>${own}${rows.map(rowHtml)}</tbody>`;
  });
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table class="${look}"><thead><tr>${
    head.map((name, k) => markup`<th scope="col"${k > 0 && text(k)}>${name}</th>`)
  }</tr></thead>${bodies}</table></div>`;
}

/**
 * A figure, and small below it the range that it has, or its standard deviation over runs.
 * @param value none where it is no number.
 */
export function renderMetric(
  value: number | null | undefined,
  digits: number,
  interval?: Interval | null,
  sd?: number | null,
): ReportCell {
  if (value === null || value === undefined || Number.isNaN(value)) return MISSING;
  const text = value.toFixed(digits);
  if (typeof sd === "number") return markup`${text}<br><small>± ${sd.toFixed(digits)}</small>`;
  if (!interval) return text;
  const [low, high] = interval.map((end) => end.toFixed(rangeDigits(digits)));
  return markup`${text}<br><small>${low ?? ""} to ${high ?? ""}</small>`;
}

/** A difference, and small below it the range that it has. */
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

/** Where a range ends is known no better. */
function rangeDigits(digits: number): number {
  return Math.min(digits, 3);
}

const SIGNS = { yes: "\u2713", no: "\u2717", undecided: "?" } as const;

/** Claims of others, each with its outcome. */
export function renderClaims(claims: readonly Claim[]): Html {
  const items = claims.map(({ claim, holds, text }) =>
    markup`<li><b>${claim}</b> <span class="verdict">${SIGNS[holds]} ${
      claimOutcomes[holds]
    }</span><br>${text}</li>`
  );
  return markup`<ul class="claims">${items}</ul>`;
}

/** What was found of claims of our own. */
export function renderFindings(claims: readonly Claim[]): Html {
  const items = claims.map(({ holds, text }) => markup`<li><b>${SIGNS[holds]}</b> ${text}</li>`);
  return markup`<ul class="claims">${items}</ul>`;
}

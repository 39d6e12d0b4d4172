/** The table of test figures: every snapshot of every model, and the baselines. */

import { type Html, markup } from "./html.ts";
import { type Part, rankingParts } from "./parts.ts";
import type { BaselineFigures, Model } from "./report_data.ts";
import type { DetailFigures } from "./schemas.ts";
import {
  baselineGroups,
  type FigureName,
  figureOf,
  PI,
  type SharedBaselines,
  snapshotsOf,
  spread,
  testsWith,
} from "./test_figures.ts";

/** Stands where there is no figure. */
export const MISSING = "–";

const FIGURES: readonly FigureName[] = ["nll", "prec1", "prec2"];
/** Figures that stand in the details alone: of the reward, and of a baseline. */
const MORE = ["mrr", "ndcg", "auc"];
const COLUMNS = ["loss", "prec@1", "prec@2", "prec@1*", "prec@2*", "MRR", "NDCG", "AUC"];
const LONGER: readonly FigureName[] = ["prec1", "prec2"];
/** What these are called in the details. */
const LONGER_NAMES: Readonly<Record<string, string>> = { prec1: "longerPrec1", prec2: "longerPrec2" };

/** Undefined while no run is finished. */
export function figuresTable(models: readonly Model[]): Html | undefined {
  const parts = rankingParts(models).filter((part) => snapshotsOf(part).length > 0);
  if (parts.length === 0) return undefined;
  const groups = baselineGroups(models);
  const several = models.some(({ runs }) => runs.length > 1);
  const longer = hasPagesOfOne(parts);
  const columns = COLUMNS.filter((name) => longer || !name.endsWith("*"));
  const shown: Shown = { longer, columns: 2 + columns.length };
  return markup`<p>${several ? "Means over the seeds ± one standard deviation." : ""}
Small figures are the range in which 95 % of the resamples of the test users are.
${shown.longer ? "* and AUC are without pages of one item, which are always ranked right." : ""}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Table of test figures">
<table class="figures">
<thead><tr><th scope="col">snapshot</th><th scope="col">iteration</th>
${columns.map((name) => markup`<th scope="col">${name}</th>`)}</tr></thead>
${parts.map((part) => partRows(part, shown))}
${groups.map((group) => baselineRows(group, groups.length > 1, shown))}
</table></div>`;
}

/** What a table has beside the figures that all have. */
interface Shown {
  /** Figures without pages of one item. */
  readonly longer: boolean;
  /** Of all columns. */
  readonly columns: number;
}

/** Whether figures without pages of one item are others than those of all pages. */
function hasPagesOfOne(parts: readonly Part[]): boolean {
  const tests = parts.flatMap((part) => snapshotsOf(part).flatMap((name) => testsWith(part, name)));
  return tests.some(({ prec1, longerPages: { prec1: longer } }) =>
    prec1 !== null && typeof longer === "number" && Math.abs(prec1 - longer) > 1e-6
  );
}

function partRows(part: Part, shown: Shown): Html {
  const runs = Math.max(...snapshotsOf(part).map((snapshot) => testsWith(part, snapshot).length));
  const title = runs > 1 ? `${part.name} (${runs} seeds)` : part.name;
  return markup`<tbody>${groupHead(title, shown)}${
    snapshotsOf(part).map((snapshot) => snapshotRow(part, snapshot, shown))
  }</tbody>`;
}

function groupHead(title: string, { columns }: Shown): Html {
  return markup`<tr><th colspan="${columns}" scope="rowgroup">${title}</th></tr>`;
}

function snapshotRow(part: Part, snapshot: string, shown: Shown): Html {
  const tests = testsWith(part, snapshot);
  const iterations = tests.map(({ iteration }) => iteration);
  const [first, last] = [Math.min(...iterations), Math.max(...iterations)];
  const isReward = part.ranking === "reward";
  // Of several runs the spread over seeds stands in the place of the interval.
  const details = tests.length === 1 ? tests[0]?.details : undefined;
  const range = (name: string | undefined) =>
    rangeOf(details, isReward || name === undefined ? name : PI[name]);
  const longer = (name: FigureName) => isReward ? tests.map(({ longerPages }) => longerPages[name]) : [];
  const more = (name: string) => isReward ? tests.map((test) => test.details?.figures[name]) : [];
  return markup`
<tr><th scope="row">${snapshot}</th>
<td>${first === last ? String(first) : `${first}–${last}`}</td>
${FIGURES.map((name) => cell(tests.map((test) => figureOf(test, part.ranking, name)), range(name)))}
${longerCells(shown, (name) => cell(longer(name), isReward ? range(LONGER_NAMES[name]) : undefined))}
${MORE.map((name) => cell(more(name), isReward ? range(name) : undefined))}</tr>`;
}

function longerCells({ longer }: Shown, of: (name: FigureName) => Html): readonly Html[] {
  return longer ? LONGER.map(of) : [];
}

function rangeOf(details: DetailFigures | undefined, name: string | undefined): Html | undefined {
  const interval = name === undefined ? undefined : details?.intervals[name];
  return interval ? rangeText(interval) : undefined;
}

/** An interval below a figure. */
export function rangeText([low, high]: readonly [number, number], places = 3): Html {
  return markup`<br><small>${low.toFixed(places)} to ${high.toFixed(places)}</small>`;
}

function cell(values: readonly (number | null | undefined)[], range: Html | undefined): Html {
  const found = spread(values);
  if (!found) return markup`<td>${MISSING}</td>`;
  const sd = found.sd === null ? "" : markup`<br><small>± ${digits(found.sd)}</small>`;
  return markup`<td>${digits(found.mean)}${sd}${range ?? ""}</td>`;
}

function baselineRows({ models, baselines }: SharedBaselines, named: boolean, shown: Shown): Html {
  const title = named ? `baselines of ${models.map(({ name }) => name).join(", ")}` : "baselines";
  const row = ({ name, figures, longerPages = {}, setting, details }: BaselineFigures) => {
    const range = (figure: string | undefined) => rangeOf(details, figure);
    return markup`
<tr><th scope="row">${name}${setting === undefined ? "" : markup`<br><small>${setting}</small>`}</th><td></td>
${FIGURES.map((figure) => cell([figures[figure]], range(figure)))}
${longerCells(shown, (figure) => cell([longerPages[figure]], range(LONGER_NAMES[figure])))}
${MORE.map((figure) => cell([details?.figures[figure]], range(figure)))}</tr>`;
  };
  return markup`<tbody>${groupHead(title, shown)}${baselines.map(row)}</tbody>`;
}

export function digits(value: number): string {
  return value.toFixed(4);
}

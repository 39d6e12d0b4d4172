/** The table of test figures: every snapshot of every model, and the baselines. */

import { type Html, markup } from "./html.ts";
import { type Part, rankingParts } from "./parts.ts";
import type { Figures, Model } from "./report_data.ts";
import {
  baselineGroups,
  type FigureName,
  figureOf,
  type SharedBaselines,
  snapshotsOf,
  spread,
  testsWith,
} from "./test_figures.ts";

/** Stands where there is no figure. */
const MISSING = "–";

const FIGURES: readonly FigureName[] = ["nll", "prec1", "prec2"];

/** Undefined while no run is finished. */
export function figuresTable(models: readonly Model[]): Html | undefined {
  const parts = rankingParts(models).filter((part) => snapshotsOf(part).length > 0);
  if (parts.length === 0) return undefined;
  const groups = baselineGroups(models);
  const several = models.some(({ runs }) => runs.length > 1);
  return markup`<p>${several ? "Means over the seeds ± one standard deviation." : ""}
* without pages of one item, which are always ranked right.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Table of test figures">
<table class="figures">
<thead><tr><th scope="col">snapshot</th><th scope="col">iteration</th><th scope="col">loss</th>
<th scope="col">prec@1</th><th scope="col">prec@2</th>
<th scope="col">prec@1*</th><th scope="col">prec@2*</th></tr></thead>
${parts.map(partRows)}
${groups.map((group) => baselineRows(group, groups.length > 1))}
</table></div>`;
}

function partRows(part: Part): Html {
  const runs = Math.max(...snapshotsOf(part).map((snapshot) => testsWith(part, snapshot).length));
  const title = runs > 1 ? `${part.name} (${runs} seeds)` : part.name;
  return markup`<tbody>${groupHead(title)}${
    snapshotsOf(part).map((snapshot) => snapshotRow(part, snapshot))
  }</tbody>`;
}

function groupHead(title: string): Html {
  return markup`<tr><th colspan="7" scope="rowgroup">${title}</th></tr>`;
}

function snapshotRow(part: Part, snapshot: string): Html {
  const tests = testsWith(part, snapshot);
  const iterations = tests.map(({ iteration }) => iteration);
  const [first, last] = [Math.min(...iterations), Math.max(...iterations)];
  const longer = (name: FigureName) =>
    part.ranking === "generator" ? [] : tests.map(({ longerPages }) => longerPages[name]);
  return markup`
<tr><th scope="row">${snapshot}</th>
<td>${first === last ? String(first) : `${first}–${last}`}</td>
${FIGURES.map((name) => cell(tests.map((test) => figureOf(test, part.ranking, name))))}
${cell(longer("prec1"))}${cell(longer("prec2"))}</tr>`;
}

function cell(values: readonly (number | null | undefined)[]): Html {
  const found = spread(values);
  if (!found) return markup`<td>${MISSING}</td>`;
  const sd = found.sd === null ? "" : ` ± ${digits(found.sd)}`;
  return markup`<td>${digits(found.mean)}${sd}</td>`;
}

function baselineRows({ models, baselines }: SharedBaselines, named: boolean): Html {
  const title = named ? `baselines of ${models.map(({ name }) => name).join(", ")}` : "baselines";
  const row = (name: string, figures: Figures) => {
    const cells = FIGURES.map((figure) => {
      const value = figures[figure];
      return markup`<td>${value === null ? MISSING : digits(value)}</td>`;
    });
    return markup`
<tr><th scope="row">${name}</th><td></td>${cells}<td></td><td></td></tr>`;
  };
  return markup`<tbody>${groupHead(title)}${
    baselines.map(({ name, figures }) => row(name, figures))
  }</tbody>`;
}

function digits(value: number): string {
  return value.toFixed(4);
}

/** How far the best model of a page is above the others, in pairs on the same test users. */

import type { FigureName as Name } from "../figures/columns.ts";
import { type Kept, keptDifference, keptOf } from "../figures/paired.ts";
import type { Difference } from "../figures/tested.ts";
import { toldBy } from "../figures/told.ts";
import { digits, MISSING, rangeText } from "./figures_table.ts";
import { type Html, markup } from "./html.ts";
import { type Part, rankingParts } from "./parts.ts";
import type { Model } from "./report_data.ts";
import { figureOf, spread, testsWith } from "./test_figures.ts";

/** A part of a model with what was kept of its snapshots. */
interface Compared {
  readonly part: Part;
  /** Of the snapshot that it is judged by. */
  readonly judged: Kept | undefined;
  readonly prec1: number;
}

/** Undefined where there are no two that were tested on the same users. */
export function comparisonTable(models: readonly Model[]): Html | undefined {
  const known = rankingParts(models).flatMap((part) => comparedOf(part) ?? []);
  const [best, ...others] = known.toSorted((a, b) => b.prec1 - a.prec1);
  if (!best) return undefined;
  const rows = others.flatMap((other) => rowOf(best, other) ?? []);
  if (rows.length === 0) return undefined;
  return markup`<h3>${best.part.name} minus the others</h3>
<p>It has the highest prec@1. Differences are on the same test users, of the snapshots that the models are judged by.
A range that does not hold 0 tells the two apart.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Differences of models">
<table class="figures"><thead><tr><th scope="col">minus</th><th scope="col">prec@1</th><th scope="col">told apart</th>
<th scope="col">loss</th><th scope="col">told apart</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

function comparedOf(part: Part): Compared | undefined {
  const kept = (snapshot: string) => {
    const found = testsWith(part, snapshot).map(({ paired }) => paired);
    return keptOf(found.every((one) => one !== undefined) ? found : []);
  };
  const prec1 = spread(testsWith(part, part.judged).map((test) => figureOf(test, part.ranking, "prec1")))
    ?.mean;
  if (prec1 === undefined) return undefined;
  return { part, prec1, judged: kept(part.judged) };
}

function rowOf(best: Compared, other: Compared): Html | undefined {
  const ranking = ({ part }: Compared): Name => part.ranking === "generator" ? "piPrec1" : "prec1";
  const prec1 = keptDifference(best.judged, ranking(best), other.judged, ranking(other));
  if (!prec1) return undefined;
  const scale = scaleOf(best);
  const loss = scale !== undefined && scale === scaleOf(other)
    ? keptDifference(best.judged, "nll", other.judged)
    : undefined;
  return markup`<tr><th scope="row">${other.part.name}</th>${cells(prec1, false)}${cells(loss, true)}</tr>`;
}

/** Losses of different kinds are not of one scale, and a game's are of none. */
function scaleOf({ part: { model, stage } }: Compared): string | undefined {
  return stage === "likelihood" ? model.settings.get("model.loss") ?? "choice" : undefined;
}

function cells(found: Difference | undefined, lessIsBetter: boolean): Html {
  if (!found) return markup`<td>${MISSING}</td><td></td>`;
  const { value, interval } = found;
  return markup`<td>${value > 0 ? "+" : ""}${digits(value)}${interval ? rangeText(interval) : ""}</td><td>${
    toldBy(interval, lessIsBetter)
  }</td>`;
}

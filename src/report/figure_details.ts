/** What test figures are made of: differences, calibration, and figures by page length, history, position and item. */

import { shownBaselines } from "../run/tested_users.ts";
import { digits, MISSING, rangeText } from "./figures_table.ts";
import { type Html, markup } from "./html.ts";
import { lossParts, type Part, stageRuns } from "./parts.ts";
import type { Model, SnapshotFigures, StageResult } from "./report_data.ts";
import type { DetailFigures, FigureDifferences } from "./schemas.ts";

/** Figures of a table's columns, by their names in result.json, and what they are called. */
type Columns = readonly (readonly [string, string])[];

const FIGURES: Columns = [
  ["nll", "loss"],
  ["prec1", "prec@1"],
  ["prec2", "prec@2"],
  ["mrr", "MRR"],
  ["ndcg", "NDCG"],
  ["auc", "AUC"],
];
const PI: Columns = [["piPrec1", "prec@1 of π"], ["piPrec2", "prec@2 of π"]];
const PROBABILITIES: Columns = [
  ["pClick", "P(click)"],
  ["clicked", "clicked"],
  ["pNoClick", "P(no click)"],
  ["noClick", "no click"],
];

/** A fold for each part that has such figures; of several seeds, those of the first. */
export function figureDetails(models: readonly Model[]): Html {
  return markup`${lossParts(models).flatMap((part) => partDetails(part) ?? [])}`;
}

/** The first finished run of a part whose result has details. */
export function detailedResult(part: Part): StageResult | undefined {
  return stageRuns(part).flatMap(({ result }) => result ?? [])
    .find(({ test }) => test.some(({ details }) => details));
}

function partDetails(part: Part): Html | undefined {
  const result = detailedResult(part);
  if (!result) return undefined;
  const several = stageRuns(part).length > 1 ? " (first seed)" : "";
  return markup`<details><summary>${part.name}${several}: differences, calibration, parts of the pages</summary>
${differenceTables(part, result)}
${comparedSlices(part, result)}
${result.test.map((test) => scoringDetails(part, test.snapshot, test.details))}
${result.baselines.map(({ name, details }) => scoringDetails(part, name, details))}
</details>`;
}

function tableOf(label: string, head: readonly string[], rows: readonly Html[]): Html {
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
<table class="figures"><thead><tr>${
    head.map((name) => markup`<th scope="col">${name}</th>`)
  }</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function differenceTables(part: Part, { test, snapshots }: StageResult): Html {
  const columns = [...FIGURES, ...(test.some(({ piPrec1 }) => piPrec1 !== undefined) ? PI : [])];
  const titles = new Map<string, string>(shownBaselines);
  const rows = [
    ...test.flatMap(({ snapshot, against = {} }) =>
      Object.entries(against).map(([name, found]) =>
        differenceRow(`${snapshot} minus ${titles.get(name) ?? name}`, found, columns)
      )
    ),
    ...snapshots.map(({ snapshot, minus, differences }) =>
      differenceRow(`${snapshot} minus ${minus}`, differences, columns)
    ),
  ];
  const head = ["difference", ...columns.map(([, title]) => title)];
  return markup`<p>Differences on the same users. A range that does not hold 0 tells the two apart.</p>
${tableOf(`Differences of ${part.name}`, head, rows)}`;
}

function differenceRow(name: string, differences: FigureDifferences, columns: Columns): Html {
  return markup`<tr><th scope="row">${name}</th>${
    columns.map(([figure]) => {
      const found = differences[figure];
      if (!found) return markup`<td>${MISSING}</td>`;
      const { value, interval } = found;
      return markup`<td>${value > 0 ? "+" : ""}${digits(value)}${interval ? rangeText(interval) : ""}</td>`;
    })
  }</tr>`;
}

/** prec@1 of the model and of the baselines, side by side for each part of the pages. */
function comparedSlices(part: Part, { test, baselines }: StageResult): Html {
  const model = test.find(({ snapshot }) => snapshot === part.judged) ?? test.at(-1);
  if (!model?.details) return markup``;
  const others = baselines.flatMap(({ name, details }) => details ? [{ name, details }] : []);
  const all = [{ name: model.snapshot, details: model.details }, ...others];
  const rows = Object.entries(model.details.slices).flatMap(([by, slices]) =>
    slices.map(({ name, events }) =>
      markup`<tr><th scope="row">${by} ${name}</th><td>${events}</td>${
        all.map(({ details }) =>
          figureCell(details.slices[by]?.find((other) => other.name === name), "prec1")
        )
      }</tr>`
    )
  );
  return markup`<p>prec@1 by parts of the pages. A page counts for the position and the item that was clicked on it;
history is the number of clicks before it.</p>
${tableOf(`prec@1 of ${part.name} by parts`, ["part", "pages", ...all.map(({ name }) => name)], rows)}`;
}

interface Measured {
  readonly figures: DetailFigures["figures"];
  readonly intervals: DetailFigures["intervals"];
}

function figureCell(measured: Measured | undefined, name: string): Html {
  const value = measured?.figures[name];
  if (value === undefined || value === null) return markup`<td>${MISSING}</td>`;
  const interval = measured?.intervals[name];
  return markup`<td>${digits(value)}${interval ? rangeText(interval) : ""}</td>`;
}

function scoringDetails(part: Part, name: string, details: SnapshotFigures["details"]): Html {
  if (!details) return markup``;
  return markup`<details><summary>${name}: all figures</summary>
${slicesTable(part, name, details)}
${calibrationTable(part, name, "P(click) of displayed items", details.calibration?.click)}
${calibrationTable(part, name, "P(no click) of pages", details.calibration?.noClick)}
</details>`;
}

function slicesTable(part: Part, name: string, details: DetailFigures): Html {
  const hasProbabilities = details.calibration !== undefined;
  const columns = [
    ...FIGURES.filter(([figure]) => hasProbabilities || figure !== "nll"),
    ...(details.figures.piPrec1 === undefined ? [] : PI),
    ...(hasProbabilities ? PROBABILITIES : []),
  ];
  const row = (title: string, events: number | undefined, measured: Measured, ece: number | undefined) =>
    markup`<tr><th scope="row">${title}</th><td>${events ?? ""}</td>${
      columns.map(([figure]) => figureCell(measured, figure))
    }<td>${ece === undefined ? MISSING : digits(ece)}</td></tr>`;
  const rows = [
    row("all", undefined, details, details.calibration?.click?.ece),
    ...Object.entries(details.slices).flatMap(([by, slices]) =>
      slices.map((slice) => row(`${by} ${slice.name}`, slice.events, slice, slice.ece))
    ),
  ];
  const head = ["part", "pages", ...columns.map(([, title]) => title), "ECE of P(click)"];
  return tableOf(`All figures of ${part.name}, ${name}`, head, rows);
}

type CalibrationFigures = NonNullable<NonNullable<DetailFigures["calibration"]>["click"]>;

function calibrationTable(
  part: Part,
  name: string,
  what: string,
  found: CalibrationFigures | undefined,
): Html {
  if (!found) return markup``;
  const { ece, eceByChance, bins } = found;
  const chance = eceByChance === null ? "" : `, ${digits(eceByChance)} by chance alone`;
  const rows = bins.map(({ cases, predicted, observed, interval }) =>
    markup`<tr><td>${cases}</td><td>${digits(predicted)}</td><td>${digits(observed)}${
      interval ? rangeText(interval) : ""
    }</td></tr>`
  );
  return markup`<p>${what}: expected calibration error ${digits(ece)}${chance}.</p>
${tableOf(`${what}, ${part.name}, ${name}`, ["cases", "predicted", "observed"], rows)}`;
}

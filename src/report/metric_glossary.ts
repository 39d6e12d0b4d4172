/** Definitions of the metrics in plain words, for tooltips and for a glossary. */

import { getMetricTitle, type MetricName } from "../metrics/metric_columns.ts";
import { type Html, markup } from "./html.ts";

const MEANINGS = {
  nll: "Mean of -log(predicted probability of the user's action on a page). Lower is better.",
  prec1: "Share of the pages with a click on which the clicked item is ranked first. Higher is better.",
  prec2:
    "Share of the pages with a click on which the clicked item is ranked first or second. Higher is better.",
  longerPrec1: "prec@1 on pages with more than one item.",
  longerPrec2: "prec@2 on pages with more than one item.",
  mrr: "Mean of 1 / rank of the clicked item (mean reciprocal rank). Higher is better.",
  ndcg:
    "Mean over pages: DCG / largest DCG. DCG: sum of 1 / log2(1 + rank) of clicked items. Higher is better.",
  auc: "Share of a page's unclicked items that rank below the clicked item. Random: 0.5. Higher is better.",
  piPrec1: "prec@1 if the generator pi ranks the items.",
  piPrec2: "prec@2 if the generator pi ranks the items.",
} as const satisfies Partial<Record<MetricName, string>>;
export type DefinedMetric = keyof typeof MEANINGS;

/** Renders the title of a metric, with its definition as a tooltip. */
export function renderMetricTitle(name: DefinedMetric): Html {
  return markup`<abbr title="${MEANINGS[name]}">${getMetricTitle(name)}</abbr>`;
}

export function renderGlossary(names: readonly DefinedMetric[]): Html {
  const entries = names.map((name) => markup`<dt>${getMetricTitle(name)}</dt><dd>${MEANINGS[name]}</dd>`);
  return markup`<details class="glossary"><summary>Definitions of metrics</summary><dl>${entries}</dl></details>`;
}

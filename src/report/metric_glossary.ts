/** Defines the metrics in plain words: on hover over a metric's name, and in a glossary. */

import { getMetricTitle, type MetricName } from "../metrics/metric_columns.ts";
import { type Html, markup } from "./html.ts";

const MEANINGS = {
  nll: "Mean of -log of the probability that was predicted for what the user did on a page. Lower is better.",
  prec1: "Share of the pages with a click whose clicked item is ranked first. Higher is better.",
  prec2: "Share of the pages with a click whose clicked item is ranked first or second. Higher is better.",
  longerPrec1: "prec@1 on pages with more than one item.",
  longerPrec2: "prec@2 on pages with more than one item.",
  mrr: "Mean of 1 / rank of the clicked item (mean reciprocal rank). Higher is better.",
  ndcg: "Mean of 1 / log2(1 + rank) of the clicked items, divided by its best value. Higher is better.",
  auc: "Share of a page's unclicked items that rank below the clicked item. 0.5 is chance; higher is better.",
  piPrec1: "prec@1 of the ranking by the generator pi.",
  piPrec2: "prec@2 of the ranking by the generator pi.",
} as const satisfies Partial<Record<MetricName, string>>;
export type DefinedMetric = keyof typeof MEANINGS;

/** Renders a metric's title. The title shows the metric's definition on hover. */
export function renderMetricTitle(name: DefinedMetric): Html {
  return markup`<abbr title="${MEANINGS[name]}">${getMetricTitle(name)}</abbr>`;
}

export function renderGlossary(names: readonly DefinedMetric[]): Html {
  const entries = names.map((name) => markup`<dt>${getMetricTitle(name)}</dt><dd>${MEANINGS[name]}</dd>`);
  return markup`<details class="glossary"><summary>What the metrics mean</summary><dl>${entries}</dl></details>`;
}

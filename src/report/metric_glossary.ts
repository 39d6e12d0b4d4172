/** Defines the metrics in plain words: on hover over a metric's name, and in a glossary. */

import { getMetricTitle, type MetricName } from "../metrics/metric_columns.ts";
import { type Html, markup } from "./html.ts";

const MEANINGS: Readonly<Record<MetricName, string>> = {
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
  pClick: "Mean predicted click probability of an item on a page.",
  clicked: "Observed share of the items on pages that were clicked. The closer to P(click), the better.",
  pNoClick: "Mean predicted probability that a page gets no click.",
  noClick: "Observed share of the pages without a click. The closer to P(no click), the better.",
};

/** Title and definition of the calibration error, which is no ratio of sums like the other metrics. */
export const ECE = "ECE of P(click)";
const ECE_MEANING = "Mean distance between predicted click probabilities and observed shares " +
  "(expected calibration error). Lower is better.";

/** Renders a metric's title. The title shows the metric's definition on hover. */
export function renderMetricTitle(name: MetricName): Html {
  return markup`<abbr title="${MEANINGS[name]}">${getMetricTitle(name)}</abbr>`;
}

export function renderGlossary(names: readonly MetricName[]): Html {
  const entries = [...names.map((name) => [getMetricTitle(name), MEANINGS[name]]), [ECE, ECE_MEANING]];
  return markup`<details class="glossary"><summary>What the metrics mean</summary>
<dl>${entries.map(([title = "", text = ""]) => markup`<dt>${title}</dt><dd>${text}</dd>`)}</dl>
</details>`;
}

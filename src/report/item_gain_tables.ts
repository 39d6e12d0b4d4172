/** Renders the items whose clicks the model predicts much better, or worse, than the click rate. */

import { formatSigned } from "../metrics/baseline_verdict.ts";
import { formatPercent, formatThousands } from "../number_text.ts";
import { type Html, markup } from "./html.ts";
import { renderByTest } from "./metrics_table.ts";
import type { ReportModel, SnapshotMetrics } from "./report_data.ts";
import { renderTable, type ReportRow } from "./report_tables.ts";

/** Returns undefined if no result has items with enough displays. */
export function renderItemGains(models: readonly ReportModel[]): Html | undefined {
  return renderByTest(models, renderGainTable);
}

const HEAD = ["item", "gain", "clicked", "model", "click rate", "displays"] as const;

function renderGainTable({ snapshot, itemGains }: SnapshotMetrics): Html | undefined {
  if (!itemGains || itemGains.compared === 0) return undefined;
  const { gains, losses, compared, leastDisplays } = itemGains;
  const groups = [["largest gains", gains.map(toRow)], ["largest losses", losses.map(toRow)]] as const;
  const present = groups.filter(([, rows]) => rows.length > 0);
  return markup`<p>Items whose clicks the model (${snapshot}) predicts better, or worse, than the click rate, of
${formatThousands(compared)} items with at least ${leastDisplays} displays on test pages.
Clicked: share of the displays in which the item was the page's first click. Model and click rate: the mean
probability of that click. Gain: log-likelihood of the item's clicks according to the model, minus that according to
the click rate, as a sum over the displays; above 0 the model is better. A model gains even with an equal mean
if it predicts for which users and pages an item is clicked.</p>
${renderTable("Items with the largest gains and losses", HEAD, present)}`;
}

type Gain = NonNullable<SnapshotMetrics["itemGains"]>["gains"][number];

function toRow({ item, name = String(item), displays, gain, ...rates }: Gain): ReportRow {
  const shares = [rates.clicked, rates.model, rates.clickRate].map((rate) => formatPercent(rate, 1));
  return [markup`${name}`, formatSigned(gain, 1), ...shares, formatThousands(displays)];
}

/** Renders the items on which the model predicts clicks much better, or much worse, than the click rate. */

import { formatSigned } from "../metrics/baseline_verdict.ts";
import { formatPercent, formatThousands } from "../number_text.ts";
import { type Html, markup } from "./html.ts";
import { renderByTest } from "./metrics_table.ts";
import type { ReportModel, SnapshotMetrics } from "./report_data.ts";
import { renderTable, type ReportRow } from "./report_tables.ts";

/** Renders the items with the largest gains and losses; undefined if no item has enough impressions. */
export function renderItemGains(models: readonly ReportModel[]): Html | undefined {
  return renderByTest(models, renderGainTable);
}

const HEAD = ["item", "gain", "clicked", "model", "click rate", "displays"] as const;

function renderGainTable({ snapshot, itemGains }: SnapshotMetrics): Html | undefined {
  if (!itemGains || itemGains.compared === 0) return undefined;
  const { gains, losses, compared, leastDisplays } = itemGains;
  const groups = [["largest gains", gains.map(toRow)], ["largest losses", losses.map(toRow)]] as const;
  const present = groups.filter(([, rows]) => rows.length > 0);
  return markup`<p>The model (${snapshot}) is compared with the baseline click rate on
${formatThousands(compared)} items with at least ${leastDisplays} displays on test pages. Clicked: share of an
item's displays in which the item is the first click of the page. Model, click rate: mean probability of this
click. Gain: log-likelihood of the clicks by the model minus log-likelihood by the click rate, summed over the
displays; the model is better if the gain is above 0. With equal mean probabilities, the model gains if it
predicts for which users and pages an item is clicked.</p>
${renderTable("Items with the largest gains and losses", HEAD, present)}`;
}

type Gain = NonNullable<SnapshotMetrics["itemGains"]>["gains"][number];

function toRow({ item, name = String(item), displays, gain, ...rates }: Gain): ReportRow {
  const shares = [rates.clicked, rates.model, rates.clickRate].map((rate) => formatPercent(rate, 1));
  return [markup`${name}`, formatSigned(gain, 1), ...shares, formatThousands(displays)];
}

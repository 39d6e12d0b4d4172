/** Renders two tables: a model's gains over the baseline "click rate" per item, and the tastes of users. */

import { formatSigned } from "../metrics/baseline_verdict.ts";
import { formatPercent, formatThousands } from "../number_text.ts";
import { type Html, markup } from "./html.ts";
import type { SnapshotMetrics } from "./report_data.ts";
import { renderTable, type ReportRow, type ReportRowGroup } from "./report_tables.ts";

const HEAD = ["item", "gain", "clicked", "model", "click rate", "displays"] as const;

/** Renders the items with the model's largest gains and losses against click rate; undefined without data. */
export function renderItemGains({ snapshot, itemGains }: SnapshotMetrics): Html | undefined {
  if (!itemGains || itemGains.compared === 0) return undefined;
  const { gains, losses, compared, leastDisplays } = itemGains;
  const groups = [["largest gains", gains.map(toRow)], ["largest losses", losses.map(toRow)]] as const;
  const present = groups.filter(([, rows]) => rows.length > 0);
  return markup`<p>The model (${snapshot}) is compared with the baseline click rate on
${formatThousands(compared)} items with at least ${leastDisplays} displays on test pages. Clicked: share of an
item's displays in which the item is the first click of the page. Model, click rate: mean probability
of this click that the model or the click rate predicts. Gain: log-likelihood under the model minus
log-likelihood under the click rate, summed over the displays. The model is better if the gain is above 0.
Even if both mean probabilities are equal, the model gains by predicting for which users and pages the item
is clicked.</p>
${renderTable("Items with the largest gains and losses", HEAD, present)}`;
}

type Gain = NonNullable<SnapshotMetrics["itemGains"]>["gains"][number];

function toRow({ item, name = String(item), displays, gain, ...rates }: Gain): ReportRow {
  const shares = [rates.clicked, rates.model, rates.clickRate].map((rate) => formatPercent(rate, 1));
  return [markup`${name}`, formatSigned(gain, 1), ...shares, formatThousands(displays)];
}

/** Renders actual and predicted clicks of some users by item category; undefined if there are no data. */
export function renderTastes({ snapshot, tastes, details }: SnapshotMetrics): Html | undefined {
  if (tastes.length === 0) return undefined;
  const groups = tastes.map(({ pages, clicks, shares }, k): ReportRowGroup => [
    `Test user ${k + 1}: ${formatThousands(clicks)} clicks on ${formatThousands(pages)} test pages`,
    shares.map(({ category, observed, predicted, average }): ReportRow => [
      category,
      ...[observed, predicted, average].map((share) => formatPercent(share, 0)),
    ]),
  ]);
  const field = details.categoryField ?? "category";
  return markup`<p>The table shows the test users with the most clicks. For each user, it lists the
categories with the largest shares. Column "the user": share of the user's clicks on items of the category.
Column "the model": share that the model (${snapshot}) predicts on the same pages. Column "all users": share
of all test users' clicks. Only the first click of each page counts. An item may have several categories.</p>
${renderTable("Taste of some users by category", [field, "the user", "the model", "all users"], groups)}`;
}

/** Renders the categories that some users clicked, and the categories that the model predicts for them. */

import { formatPercent, formatThousands } from "../number_text.ts";
import { type Html, markup } from "./html.ts";
import { renderByTest } from "./metrics_table.ts";
import type { ReportModel, SnapshotMetrics } from "./report_data.ts";
import { renderTable, type ReportRow, type ReportRowGroup } from "./report_tables.ts";

/** Renders clicked and predicted shares of categories per user; undefined if no result has such shares. */
export function renderTastes(models: readonly ReportModel[]): Html | undefined {
  return renderByTest(models, renderTasteTable);
}

function renderTasteTable({ snapshot, tastes, details }: SnapshotMetrics): Html | undefined {
  if (tastes.length === 0) return undefined;
  const groups = tastes.map(({ user, name = String(user), pages, clicks, shares }): ReportRowGroup => [
    `user ${name}: ${formatThousands(clicks)} clicks on ${formatThousands(pages)} test pages`,
    shares.map(({ category, observed, predicted, average }): ReportRow => [
      category,
      ...[observed, predicted, average].map((share) => formatPercent(share, 0)),
    ]),
  ]);
  const field = details?.categoryField ?? "category";
  return markup`<p>The test users with the most clicks. For each user, the table lists the categories with the
largest shares: share of the user's clicks on items of a category, share that the model (${snapshot}) predicts
on the same pages, and share of the clicks of all test users. Only the first click of each page counts. An
item may have several categories.</p>
${renderTable("Taste of some users by category", [field, "the user", "the model", "all users"], groups)}`;
}

/** Output of `policy compare`: metrics in each environment, and differences between policies. */

import {
  findDifference,
  getRewardUnit,
  groupBySlateSize,
  listComparedPolicies,
  listTrainings,
  type PolicyComparison,
  summarizeTrainings,
} from "../../policy/comparison/comparison.ts";
import { formatSigned, formatSignedRange } from "../../metrics/baseline_verdict.ts";
import { RIVAL } from "../../policy/comparison/policy_verdict.ts";
import { describeEnvironment } from "../../report/policy_charts.ts";
import { formatTable } from "../../cli/table.ts";
import { formatThousands } from "../../number_text.ts";

/** Formats a comparison. @param task - settings that distinguish it from other comparisons; else "" */
export function formatComparison(comparison: PolicyComparison, task = ""): string {
  const { slate, pages, users, environments } = comparison;
  const columns = [
    "",
    `${getRewardUnit(comparison)}/user`,
    "per page",
    "click rate",
    "coverage",
    "predicted",
    `minus ${RIVAL}`,
    "95 % CI",
  ];
  const parts = environments.map((environment) => {
    const rows = listComparedPolicies(comparison).flatMap(({ name }) => {
      const cells = listTrainings(comparison, name, environment.name);
      if (cells.length === 0) return [];
      const mean = (of: Parameters<typeof summarizeTrainings>[1], digits: number) => {
        const found = summarizeTrainings(cells, of);
        return found.mean.toFixed(digits) + (found.sd === null ? "" : ` +- ${found.sd.toFixed(digits)}`);
      };
      const predicted = cells.flatMap(({ calibration }) => calibration?.predicted ?? []);
      const difference = name === RIVAL
        ? undefined
        : findDifference(comparison, name, RIVAL, environment.name);
      const range = difference?.interval;
      return [[
        cells.length > 1 ? `${name} (${cells.length} trainings)` : name,
        mean((metrics) => metrics.return.mean, 2),
        mean((metrics) => metrics.rewardPerPage.mean, 3),
        mean((metrics) => metrics.clickRate.mean, 3),
        mean((metrics) => 100 * metrics.coverage, 0) + " %",
        predicted.length > 0 ? (predicted.reduce((sum, x) => sum + x, 0) / predicted.length).toFixed(2) : "-",
        difference ? formatSigned(difference.mean) : "-",
        range ? `${formatSignedRange(range)}, ${difference.wider}` : "-",
      ]];
    });
    const table = formatTable(columns, rows, { drop: ["coverage", "per page", "click rate", "predicted"] });
    return `In ${describeEnvironment(environment)}:\n${table}`;
  });
  return [
    `${formatThousands(users)} users, ${pages} pages of ${slate} items${task && ` (${task})`}:`,
    ...parts,
    "predicted: clicks on these pages as predicted by the model on which the policies were trained",
  ].join("\n\n");
}

/** Formats reward and click rate by slate size, as in the paper; undefined if anything else differs. */
export function formatSlateSizes(comparisons: readonly PolicyComparison[]): string | undefined {
  const groups = groupBySlateSize(comparisons);
  if (!groups) return undefined;
  const head = comparisons.flatMap(({ slate }) => [
    `per page, k = ${slate}`,
    `click rate, k = ${slate}`,
  ]);
  const parts = groups.map(({ environment, rows }) => {
    const lines = rows.map(({ policy, cells }) => [
      policy,
      ...cells.flatMap((own) =>
        (["rewardPerPage", "clickRate"] as const).map((name) =>
          own.length === 0 ? "-" : summarizeTrainings(own, (metrics) => metrics[name].mean).mean.toFixed(3)
        )
      ),
    ]);
    return `In ${describeEnvironment(environment)}:\n${formatTable(["", ...head], lines)}`;
  });
  return ["Reward and click rate by slate size:", ...parts].join("\n\n");
}

/** Formats the data of a chart as CSV with one row per point or bar. */

import { type Cell, formatCsvRow } from "../../csv.ts";
import type { ChartDefinition } from "../chart_definition.ts";

export function buildCsv({ columns, config: { data: { datasets } } }: ChartDefinition): string {
  const rows = datasets.filter(({ isDecoration }) => !isDecoration).flatMap((dataset) =>
    dataset.data.map((point) => {
      const fields: Readonly<Record<string, unknown>> = { ...dataset, ...point };
      return columns.map(([, name]) => formatCell(fields[name]));
    })
  );
  return [columns.map(([title]) => title), ...rows].map(formatCsvRow).join("");
}

function formatCell(value: unknown): Cell {
  return typeof value === "number" ? value : String(value ?? "");
}

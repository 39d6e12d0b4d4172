/** A chart's data as CSV: what is drawn, one point or bar a row. */

import type { ChartDefinition } from "../chart.ts";

export function csvOf({ columns, config: { data: { datasets } } }: ChartDefinition): string {
  const rows = datasets.filter(({ isDecoration }) => !isDecoration).flatMap((dataset) =>
    dataset.data.map((point) => {
      const fields: Readonly<Record<string, unknown>> = { ...dataset, ...point };
      return columns.map(([, name]) => fields[name]);
    })
  );
  return [columns.map(([title]) => title), ...rows].map((row) => row.map(field).join(",") + "\n").join("");
}

/** Empty for a gap; a number reads back as the same float. */
function field(value: unknown): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

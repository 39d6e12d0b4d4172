/** Renders the results of `deno task bench` as one self-contained HTML page with charts. */

import type { ChartDefinition } from "../src/report/chart_definition.ts";
import { buildScatterChart } from "../src/report/scatter_chart.ts";
import { type Html, markup } from "../src/report/html.ts";
import { noScript, renderCharts, renderNote, renderSection, writePage } from "../src/report/page_shell.ts";
import { renderTable, type ReportRow } from "../src/report/report_tables.ts";
import { NEUTRAL } from "../src/report/theme.ts";
import type { BenchReport, KernelMeasurement } from "../src/profile/bench_report.ts";
import type { BenchTable } from "./tables.ts";
import type { RooflineCeilings } from "../src/profile/roofline.ts";
import { computeAttainable, computeRooflinePosition, findCeilings } from "../src/profile/roofline.ts";
import type { TableCells } from "./study.ts";

/** @throws UserError if the page cannot be written. */
export async function writeBenchPage(
  file: string,
  report: BenchReport,
  tables: readonly BenchTable[],
): Promise<void> {
  const { adapter, date, machine, probes, kernels } = report;
  const charts = probes.length > 0 ? rooflineChart(kernels, findCeilings(probes)) : [];
  const parts = tables.map(({ title, cells, notes = [] }, k) => {
    const content = markup`${renderCells(cells, title)}
${notes.map((text) => markup`<p>${text}</p>`)}`;
    return renderSection(`table-${k}`, title, content);
  });
  const header = markup`<h1>clickgan bench</h1>
<p class="path">${adapter.description} (${adapter.kind}), ${adapter.runtime}, ${machine.cores} cores, ${date}</p>
${machine.timestamps ? markup`` : renderNote("Timed by the host's clock: the adapter has no timestamps.")}`;
  const main = markup`${noScript}
${renderCharts(charts)}
${parts}`;
  await writePage(file, { kind: "bench", title: "clickgan bench", header, main });
}

export function renderCells({ head, rows }: TableCells, what: string): Html {
  return renderTable(what, head, [["", rows.map(([name = "", ...cells]): ReportRow => [name, ...cells])]]);
}

function rooflineChart(kernels: readonly KernelMeasurement[], ceilings: RooflineCeilings): ChartDefinition[] {
  const placed = kernels.flatMap((kernel) => {
    const { gflops, intensity } = computeRooflinePosition(kernel, kernel.median, ceilings);
    return intensity !== undefined && intensity > 0 ? [{ kernel, x: intensity, y: gflops }] : [];
  });
  if (placed.length === 0) return [];
  const ridge = ceilings.flops / ceilings.bandwidth;
  const ends = [
    Math.min(ridge, ...placed.map(({ x }) => x)) / 2,
    Math.max(ridge, ...placed.map(({ x }) => x)) * 2,
  ];
  const rates = `${ceilings.flops.toFixed(0)} GFLOP/s and ${ceilings.bandwidth.toFixed(1)} GB/s`;
  const roof = [ends[0] ?? ridge, ridge, ends[1] ?? ridge].map((x) => ({
    ...{ x, y: computeAttainable(x, ceilings), name: rates },
  }));
  const workloads = [...new Set(kernels.map(({ workload }) => workload))];
  return [buildScatterChart({
    id: "roofline",
    title: "Roofline",
    note: `A point is a kernel in a workload; the line is the adapter's peak rate (${rates}). Bytes: the ` +
      "minimum that the kernel must move. Hover over a point for its name.",
    xTitle: "FLOPs per byte",
    yTitle: "GFLOP/s",
    logarithmic: true,
    series: [
      { name: "ceiling", colour: NEUTRAL, joined: true, points: roof },
      ...workloads.flatMap((workload, k) => {
        const points = placed.filter(({ kernel }) => kernel.workload === workload)
          .map(({ kernel, x, y }) => ({ x, y, name: `${kernel.id} (${kernel.kernel})` }));
        return points.length === 0 ? [] : [{ name: workload, colour: k, joined: false, points }];
      }),
    ],
  })];
}

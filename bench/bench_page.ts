/** Renders the results of `deno task bench` as one self-contained HTML page with charts. */

import { buildStackChart } from "../src/report/bar_chart.ts";
import type { ChartDefinition } from "../src/report/chart_definition.ts";
import { buildScatterChart } from "../src/report/scatter_chart.ts";
import { type Html, markup } from "../src/report/html.ts";
import { noScript, renderCharts, renderNote, renderSection, writePage } from "../src/report/page_shell.ts";
import { renderTable, type ReportRow } from "../src/report/report_tables.ts";
import { NEUTRAL } from "../src/report/theme.ts";
import type { BenchReport, KernelMeasurement, StepMeasurement } from "../src/profile/bench_report.ts";
import {
  compareCells,
  listAdapterCells,
  listGrowthCells,
  listKernelCells,
  listSlopeCells,
  type MeasuredChange,
  stepCells,
  stepNotes,
  stepSummaryCells,
  stepTitle,
} from "./tables.ts";
import { buildGrowthCharts } from "./growth.ts";
import type { RooflineCeilings } from "../src/profile/roofline.ts";
import { computeAttainable, computeRooflinePosition, findCeilings } from "../src/profile/roofline.ts";
import { dispatchTime } from "../src/profile/step_profile.ts";
import type { TableCells } from "./study.ts";

/** @throws UserError if the page cannot be written. */
export async function writeBenchPage(
  file: string,
  report: BenchReport,
  changes: readonly MeasuredChange[] | undefined,
): Promise<void> {
  const { adapter, date, machine, probes, kernels, steps, growth } = report;
  const ceilings = probes.length > 0 ? findCeilings(probes) : undefined;
  const parts: Html[] = [];
  if (changes) parts.push(renderSection("changes", "Changes", renderCells(compareCells(changes), "Changes")));
  if (probes.length > 0) {
    parts.push(
      renderSection("adapter", "The adapter", renderCells(listAdapterCells(probes), "The adapter")),
    );
  }
  if (ceilings && kernels.length > 0) {
    const table = renderCells(listKernelCells(kernels, ceilings), "Kernels");
    parts.push(
      renderSection("kernels", "Kernels", markup`${renderCharts(rooflineChart(kernels, ceilings))}${table}`),
    );
  }
  if (ceilings && steps.length > 0) {
    const each = steps.map((step) =>
      markup`<h3>${stepTitle(step)}</h3>
${renderCells(stepCells(step, ceilings), stepTitle(step))}
${stepNotes(step).map((text) => markup`<p>${text}</p>`)}`
    );
    const summary = renderCells(stepSummaryCells(steps), "Steps");
    parts.push(
      renderSection("steps", "Training steps", markup`${renderCharts([stackChart(steps)])}${summary}${each}`),
    );
  }
  if (growth.length > 0) {
    const slopes = renderCells(listSlopeCells(growth), "Slopes");
    const tables = markup`${slopes}${renderCells(listGrowthCells(growth), "Growth")}`;
    parts.push(
      renderSection("growth", "Growth", markup`${renderCharts(buildGrowthCharts(growth))}${tables}`),
    );
  }
  const header = markup`<h1>clickgan bench</h1>
<p class="path">${adapter.description} (${adapter.kind}), ${adapter.runtime}, ${machine.cores} cores, ${date}</p>
${machine.timestamps ? markup`` : renderNote("Timed by the host's clock: the adapter has no timestamps.")}`;
  const main = markup`${noScript}
${parts}`;
  await writePage(file, { kind: "bench", title: "clickgan bench", header, main });
}

export function renderCells({ head, rows }: TableCells, what: string): Html {
  return renderTable(what, head, [["", rows.map(([name = "", ...cells]): ReportRow => [name, ...cells])]]);
}

/** Number of kernels with a label in the roofline chart: the kernels of the slowest dispatches. */
const NAMED = 12;

/** Draws the roofline chart. Kernels that do no arithmetic or move no bytes are left out. */
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
  const [flops, bandwidth] = [
    `${ceilings.flops.toFixed(0)} GFLOP/s`,
    `${ceilings.bandwidth.toFixed(1)} GB/s`,
  ];
  const roof = [ends[0] ?? ridge, ridge, ends[1] ?? ridge].map((x, k) => ({
    x,
    y: computeAttainable(x, ceilings),
    name: `${flops}, ${bandwidth}`,
    label: [bandwidth, undefined, flops][k],
  }));
  const named = selectSlowest(placed.map(({ kernel }) => kernel));
  const workloads = [...new Set(kernels.map(({ workload }) => workload))];
  return [buildScatterChart({
    id: "roofline",
    title: "Roofline",
    note: "A point is a kernel in a workload; the line is the adapter's peak rate. Bytes: the minimum that " +
      "the kernel must move. The slowest dispatches have labels; hover over a point for its name.",
    xTitle: "FLOPs per byte",
    yTitle: "GFLOP/s",
    logarithmic: ["x", "y"],
    series: [
      { name: "ceiling", colour: NEUTRAL, joined: true, points: roof },
      ...workloads.flatMap((workload, k) => {
        const points = placed.filter(({ kernel }) => kernel.workload === workload)
          .map(({ kernel, x, y }) => {
            const name = `${kernel.id} (${kernel.kernel})`;
            return { x, y, name, label: named.has(kernel) ? kernel.kernel : undefined };
          });
        return points.length === 0 ? [] : [{ name: workload, colour: k, joined: false, points }];
      }),
    ],
  })];
}

function selectSlowest(kernels: readonly KernelMeasurement[]): Set<KernelMeasurement> {
  const slowest = new Map<string, KernelMeasurement>();
  for (const result of [...kernels].sort((a, b) => b.median - a.median)) {
    if (!slowest.has(result.kernel)) slowest.set(result.kernel, result);
  }
  return new Set([...slowest.values()].slice(0, NAMED));
}

const COLOURED = 5;

function stackChart(steps: readonly StepMeasurement[]): ChartDefinition {
  const totals = new Map<string, number>();
  for (const step of steps) {
    // Adds shares of a step, not times, so that short and long steps have the same weight.
    const total = dispatchTime(step);
    for (const { kernel, median } of step.dispatches) {
      totals.set(kernel, (totals.get(kernel) ?? 0) + median / total);
    }
  }
  const largest = [...totals].sort(([, a], [, b]) => b - a).slice(0, COLOURED).map(([kernel]) => kernel);
  const milliseconds = (step: StepMeasurement, belongs: (kernel: string) => boolean) =>
    step.dispatches.filter(({ kernel }) => belongs(kernel)).reduce((sum, { median }) => sum + median, 0) /
    1000;
  const segment = (name: string, colour: number, of: (step: StepMeasurement) => number) => ({
    ...{ name, colour, values: steps.map(of) },
  });
  return buildStackChart({
    id: "steps-stack",
    title: "Where a step's time goes",
    note: "Share of each kernel in a step's time; its milliseconds follow its name. The rest is the time " +
      "of a step in a run that no dispatch takes.",
    unit: "ms",
    bars: steps.map(({ workload, model }) => `${workload} ${model}`),
    segments: [
      ...largest.map((name, colour) =>
        segment(name, colour, (step) => milliseconds(step, (kernel) => kernel === name))
      ),
      segment("other kernels", COLOURED, (step) => milliseconds(step, (kernel) => !largest.includes(kernel))),
      segment("rest", NEUTRAL, (step) => Math.max(0, step.wall.median - dispatchTime(step)) / 1000),
    ],
  });
}

/** The figures of a bench as tables, for the terminal, the report and the Markdown pages. */

import type { AdapterFigure } from "../src/selftest/profile/ceilings.ts";
import type { Change } from "./compare.ts";
import type { GrowthPoint, KernelResult } from "../src/selftest/profile/bench_report.ts";
import { fitLine, growthAxes } from "./growth.ts";
import { type Ceilings, standing } from "../src/selftest/profile/roofline.ts";
import { type Cells, percent, short } from "./output.ts";
import { dispatchTime, hostTime, type StepResult } from "../src/selftest/profile/step_profile.ts";

const some = (value: number) => value > 0 ? short(value) : "-";
const ms = (microseconds: number) => short(microseconds / 1000);
const MEBI = 2 ** 20;

export function adapterCells(figures: readonly AdapterFigure[]): Cells {
  return {
    head: ["probe", "median", "quartiles", "best", "unit"],
    rows: figures.map(({ name, unit, median, lower, upper, best }) => [
      name,
      short(median),
      `${short(lower)}..${short(upper)}`,
      short(best),
      unit,
    ]),
  };
}

export function kernelCells(kernels: readonly KernelResult[], ceilings: Ceilings): Cells {
  return {
    head: [
      "dispatch",
      "kernel",
      "us",
      "min",
      "quartiles",
      "GFLOP/s",
      "GB/s",
      "roofline",
      "bound by",
      "compile ms",
    ],
    rows: kernels.map((result) => {
      const { id, kernel, median, min, lower, upper, compileMs } = result;
      const [x, y] = result.invocations;
      const { gflops, gbs, share, bound } = standing(result, median, ceilings, x * y);
      return [
        id,
        kernel,
        short(median),
        short(min),
        `${short(lower)}..${short(upper)}`,
        some(gflops),
        some(gbs),
        percent(share),
        bound,
        compileMs.toFixed(0),
      ];
    }),
  };
}

export function stepCells(step: StepResult, ceilings: Ceilings): Cells {
  const total = dispatchTime(step);
  return {
    head: [
      "dispatch",
      "kernel",
      "us",
      "quartiles",
      "share",
      "MFLOP",
      "MB",
      "GFLOP/s",
      "GB/s",
      "roofline",
    ],
    rows: step.dispatches.map((dispatch, k) => {
      const { label, kernel, median, lower, upper, flops, bytes } = dispatch;
      const { gflops, gbs, share } = standing(dispatch, median, ceilings);
      return [
        `${k + 1} ${label}`,
        kernel,
        short(median),
        `${short(lower)}..${short(upper)}`,
        percent(median / total),
        some(flops / 1e6),
        some(bytes / 1e6),
        some(gflops),
        some(gbs),
        percent(share),
      ];
    }),
  };
}

/** What of a step's time is not in its dispatches. */
export function stepNotes(step: StepResult): string[] {
  const { wall, group, host } = step;
  const total = dispatchTime(step);
  const own = Object.entries(host).map(([what, time]) => `${what} ${short(time)}`).join(", ");
  return [
    `a step in a run: ${ms(wall.median)} ms (quartiles ${ms(wall.lower)}..${
      ms(wall.upper)
    }); its dispatches: ` +
    `${ms(total)} ms; what is left: ${ms(wall.median - total)} ms`,
    `the host's own time a step, in groups of ${group}: ${short(hostTime(step))} us (${own})`,
  ];
}

export function stepTitle({ workload, model, users, events, rows, items, gpuBytes }: StepResult): string {
  return `${workload} ${model}: ${users} users, ${events} events, ${rows} rows, ${items} distinct items; ` +
    `${(gpuBytes / MEBI).toFixed(1)} MiB on the GPU`;
}

export function stepSummaryCells(steps: readonly StepResult[]): Cells {
  return {
    head: [
      "workload",
      "model",
      "rows",
      "ms a step",
      "quartiles",
      "dispatches + copies",
      "their ms",
      "host us",
      "GFLOP/s",
      "MiB",
    ],
    rows: steps.map((step) => {
      const { workload, model, rows, wall, dispatches, gpuBytes } = step;
      const flops = dispatches.reduce((sum, dispatch) => sum + dispatch.flops, 0);
      const copies = dispatches.filter(({ kernel }) => kernel === "copy").length;
      return [
        workload,
        model,
        String(rows),
        ms(wall.median),
        `${ms(wall.lower)}..${ms(wall.upper)}`,
        `${dispatches.length - copies} + ${copies}`,
        ms(dispatchTime(step)),
        short(hostTime(step)),
        short(flops / wall.median / 1000),
        (gpuBytes / MEBI).toFixed(1),
      ];
    }),
  };
}

export function growthCells(points: readonly GrowthPoint[]): Cells {
  return {
    head: ["axis", "value", "rows or value", "ms a step", "quartiles", "MiB", "refused by"],
    rows: points.map(({ axis, value, x, time, gpuBytes, refusal }) => [
      axis,
      String(value),
      String(x),
      time ? ms(time.median) : "-",
      time ? `${ms(time.lower)}..${ms(time.upper)}` : "-",
      gpuBytes === undefined ? "-" : (gpuBytes / MEBI).toFixed(1),
      refusal?.limit ?? "",
    ]),
  };
}

/** Of every axis with two points or more: the line through them, of the times through the least disturbed. */
export function slopeCells(points: readonly GrowthPoint[]): Cells {
  const rows = growthAxes.flatMap(({ name, unit }) => {
    const own = points.filter(({ axis }) => axis === name);
    const times = own.flatMap(({ x, time }) => time ? [{ x, y: time.min }] : []);
    const bytes = own.flatMap(({ x, gpuBytes }) => gpuBytes === undefined ? [] : [{ x, y: gpuBytes }]);
    if (new Set(times.map(({ x }) => x)).size < 2) return [];
    const [time, memory] = [fitLine(times), fitLine(bytes)];
    return [[
      name,
      unit,
      short(1000 * time.slope),
      ms(time.constant),
      percent(time.error),
      short(memory.slope),
      (memory.constant / MEBI).toFixed(1),
      percent(memory.error),
    ]];
  });
  return {
    head: ["axis", "one more", "ns", "constant ms", "off by up to", "bytes", "constant MiB", "off by up to"],
    rows,
  };
}

export function compareCells(changes: readonly Change[]): Cells {
  const of = (value: number | undefined) => value === undefined ? "-" : short(value);
  return {
    head: ["what", "unit", "before", "after", "change", "noise", "verdict"],
    rows: changes.map(({ id, unit, before, after, change, noise, verdict }) => [
      id,
      unit,
      of(before?.median),
      of(after?.median),
      change === undefined ? "-" : `${change > 0 ? "+" : ""}${(100 * change).toFixed(1)} %`,
      percent(noise),
      verdict,
    ]),
  };
}

/** Builds the tables of a bench for terminal, HTML and Markdown pages, and compares two benches. */

import { formatShort } from "../src/number_text.ts";
import type {
  AdapterMeasurement,
  BenchReport,
  GrowthPoint,
  KernelMeasurement,
  StepMeasurement,
  Timing,
} from "../src/profile/bench_report.ts";
import { fitLine, growthAxes } from "./growth.ts";
import { computeRooflinePosition, findCeilings, type RooflineCeilings } from "../src/profile/roofline.ts";
import { buildCells, formatPercentCell, type TableCells } from "./study.ts";
import { dispatchTime, getHostTime } from "../src/profile/step_profile.ts";

const some = (value: number) => value > 0 ? formatShort(value) : "-";
const ms = (microseconds: number) => formatShort(microseconds / 1000);
const mebi = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
const quartiles = ({ lower, upper }: Quartiles, of = formatShort) => `${of(lower)}..${of(upper)}`;
type Quartiles = Pick<Timing, "lower" | "upper">;

export function listAdapterCells(measured: readonly AdapterMeasurement[]): TableCells {
  return buildCells(measured, [
    ["probe", ({ name }) => name],
    ["median", ({ median }) => formatShort(median)],
    ["quartiles", (measurement) => quartiles(measurement)],
    ["best", ({ best }) => formatShort(best)],
    ["unit", ({ unit }) => unit],
  ]);
}

function listKernelCells(kernels: readonly KernelMeasurement[], ceilings: RooflineCeilings): TableCells {
  const rows = kernels.map((result) => {
    const [x, y] = result.invocations;
    return { ...result, ...computeRooflinePosition(result, result.median, ceilings, x * y) };
  });
  return buildCells(rows, [
    ["dispatch", ({ id }) => id],
    ["kernel", ({ kernel }) => kernel],
    ["us", ({ median }) => formatShort(median)],
    ["min", ({ min }) => formatShort(min)],
    ["quartiles", (result) => quartiles(result)],
    ["GFLOP/s", ({ gflops }) => some(gflops)],
    ["GB/s", ({ gbs }) => some(gbs)],
    ["roofline", ({ share }) => formatPercentCell(share)],
    ["bound by", ({ bound }) => bound],
    ["compile ms", ({ compileMs }) => compileMs.toFixed(0)],
  ]);
}

function stepCells(step: StepMeasurement, ceilings: RooflineCeilings): TableCells {
  const total = dispatchTime(step);
  const rows = step.dispatches.map((one) => ({
    ...one,
    ...computeRooflinePosition(one, one.median, ceilings),
  }));
  return buildCells(rows, [
    ["dispatch", ({ label }, k) => `${k + 1} ${label}`],
    ["kernel", ({ kernel }) => kernel],
    ["us", ({ median }) => formatShort(median)],
    ["quartiles", (dispatch) => quartiles(dispatch)],
    ["share", ({ median }) => formatPercentCell(median / total)],
    ["MFLOP", ({ flops }) => some(flops / 1e6)],
    ["MB", ({ bytes }) => some(bytes / 1e6)],
    ["GFLOP/s", ({ gflops }) => some(gflops)],
    ["GB/s", ({ gbs }) => some(gbs)],
    ["roofline", ({ share }) => formatPercentCell(share)],
  ]);
}

function stepNotes(step: StepMeasurement): string[] {
  const { wall, group, host } = step;
  const total = dispatchTime(step);
  const own = Object.entries(host).map(([what, time]) => `${what} ${formatShort(time)}`).join(", ");
  return [
    `a step in a run: ${ms(wall.median)} ms (quartiles ${quartiles(wall, ms)}); its dispatches: ` +
    `${ms(total)} ms; overhead: ${ms(wall.median - total)} ms`,
    `host time per step, in groups of ${group}: ${formatShort(getHostTime(step))} us (${own})`,
  ];
}

function stepTitle({ workload, model, users, events, rows, items, gpuBytes }: StepMeasurement): string {
  return `${workload} ${model}: ${users} users, ${events} events, ${rows} rows, ${items} distinct items; ` +
    `${mebi(gpuBytes)} MiB on the GPU`;
}

export function stepSummaryCells(steps: readonly StepMeasurement[]): TableCells {
  const copies = ({ dispatches }: StepMeasurement) =>
    dispatches.filter(({ kernel }) => kernel === "copy").length;
  const flops = ({ dispatches }: StepMeasurement) =>
    dispatches.reduce((sum, dispatch) => sum + dispatch.flops, 0);
  return buildCells(steps, [
    ["workload", ({ workload }) => workload],
    ["model", ({ model }) => model],
    ["rows", ({ rows }) => String(rows)],
    ["ms per step", ({ wall }) => ms(wall.median)],
    ["quartiles", ({ wall }) => quartiles(wall, ms)],
    ["dispatches + copies", (step) => `${step.dispatches.length - copies(step)} + ${copies(step)}`],
    ["their ms", (step) => ms(dispatchTime(step))],
    ["host us", (step) => formatShort(getHostTime(step))],
    ["GFLOP/s", (step) => formatShort(flops(step) / step.wall.median / 1000)],
    ["MiB", ({ gpuBytes }) => mebi(gpuBytes)],
  ]);
}

function listGrowthCells(points: readonly GrowthPoint[]): TableCells {
  return buildCells(points, [
    ["axis", ({ axis }) => axis],
    ["value", ({ value }) => String(value)],
    ["rows or value", ({ x }) => String(x)],
    ["ms per step", ({ time }) => time ? ms(time.median) : "-"],
    ["quartiles", ({ time }) => time ? quartiles(time, ms) : "-"],
    ["MiB", ({ gpuBytes }) => gpuBytes === undefined ? "-" : mebi(gpuBytes)],
    ["rejected by", ({ refusal }) => refusal?.limit ?? ""],
  ]);
}

/** Returns a table of the lines fitted to step times and to GPU memory, with a row per varied size. */
export function listSlopeCells(points: readonly GrowthPoint[]): TableCells {
  const lines = growthAxes.flatMap(({ name, unit }) => {
    const own = points.filter(({ axis }) => axis === name);
    const times = own.flatMap(({ x, time }) => time ? [{ x, y: time.min }] : []);
    const bytes = own.flatMap(({ x, gpuBytes }) => gpuBytes === undefined ? [] : [{ x, y: gpuBytes }]);
    const fits = new Set(times.map(({ x }) => x)).size >= 2;
    return fits ? [{ name, unit, time: fitLine(times), memory: fitLine(bytes) }] : [];
  });
  return buildCells(lines, [
    ["axis", ({ name }) => name],
    ["unit", ({ unit }) => unit],
    ["ns", ({ time }) => formatShort(1000 * time.slope)],
    ["constant ms", ({ time }) => ms(time.constant)],
    ["largest error", ({ time }) => formatPercentCell(time.error)],
    ["bytes", ({ memory }) => formatShort(memory.slope)],
    ["constant MiB", ({ memory }) => mebi(memory.constant)],
    ["largest error", ({ memory }) => formatPercentCell(memory.error)],
  ]);
}

function compareCells(changes: readonly MeasuredChange[]): TableCells {
  const of = (value: number | undefined) => value === undefined ? "-" : formatShort(value);
  const signed = (share: number) => `${share > 0 ? "+" : ""}${formatPercentCell(share)}`;
  return buildCells(changes, [
    ["what", ({ id }) => id],
    ["unit", ({ unit }) => unit],
    ["before", ({ before }) => of(before?.median)],
    ["after", ({ after }) => of(after?.median)],
    ["change", ({ change }) => change === undefined ? "-" : signed(change)],
    ["noise", ({ noise }) => formatPercentCell(noise)],
    ["verdict", ({ verdict }) => verdict],
  ]);
}

export interface BenchTable {
  readonly title: string;
  readonly cells: TableCells;
  readonly notes?: readonly string[];
}

/** Lists all tables of a bench for terminal and page. @param since - title of the table of changes */
export function listBenchTables(
  { probes, kernels, steps, growth }: BenchReport,
  changes: readonly MeasuredChange[] = [],
  since = "",
): BenchTable[] {
  const tables: BenchTable[] = [{ title: "The adapter", cells: listAdapterCells(probes) }];
  if (probes.length > 0) {
    const ceilings = findCeilings(probes);
    tables.push({ title: "Kernels", cells: listKernelCells(kernels, ceilings) });
    for (const step of steps) {
      tables.push({ title: stepTitle(step), cells: stepCells(step, ceilings), notes: stepNotes(step) });
    }
  }
  const refused = growth.flatMap(({ axis, value, refusal }) =>
    refusal ? [`${axis} ${value}: ${refusal.message}`] : []
  );
  tables.push(
    { title: "Steps", cells: stepSummaryCells(steps) },
    { title: "Growth", cells: listGrowthCells(growth), notes: refused },
    { title: "Fitted lines", cells: listSlopeCells(growth) },
    { title: since, cells: compareCells(changes) },
  );
  return tables.filter(({ cells }) => cells.rows.length > 0);
}

interface Measured extends Pick<Timing, "median" | "lower" | "upper" | "error"> {
  readonly unit: string;
  readonly rate: boolean;
}

export interface MeasuredChange {
  readonly id: string;
  readonly unit: string;
  readonly before?: Measured;
  readonly after?: Measured;
  /** Relative change of the median: (later median / earlier median) - 1. */
  readonly change?: number;
  /** Sum of both benches' interquartile ranges and clock errors, divided by the earlier median. */
  readonly noise?: number;
  readonly verdict: "better" | "worse" | "noise" | "new" | "gone";
}

/** Returns a bench's measurements by name, in the form that {@link compare} reads. */
function collectMeasurements(
  { probes, kernels, steps, growth, ladders = [] }: BenchReport,
): Map<string, Measured> {
  const all = new Map<string, Measured>();
  const time = (id: string, { median, lower, upper, error }: Timing) =>
    all.set(id, { unit: "us", median, lower, upper, error, rate: false });
  for (const { name, unit, median, lower, upper } of probes) {
    // The number of invocations was found by doubling, so a difference is neither better nor worse.
    if (unit !== "invocations") {
      all.set(`adapter: ${name}`, { unit, median, lower, upper, rate: unit !== "us" });
    }
  }
  for (const kernel of kernels) time(kernel.id, kernel);
  for (const { workload, model, wall } of steps) time(`step of ${workload} ${model}`, wall);
  for (const { axis, value, time: taken } of growth) {
    if (taken) time(`growth: ${axis} ${value}`, taken);
  }
  for (const { ladder, size, steps } of ladders) {
    for (const { number, kernel, time: taken } of steps) {
      if (taken) time(`ladder ${ladder} ${size.join(" x ")}, step ${number}: ${kernel}`, taken);
    }
  }
  return all;
}

/** Compares the measurements of two benches. Measurements that are missing in the later bench come last. */
export function compare(before: BenchReport, after: BenchReport): MeasuredChange[] {
  const [old, now] = [collectMeasurements(before), collectMeasurements(after)];
  const changes = [...now].map(([id, measured]) => computeChange(id, old.get(id), measured));
  const parts = new Set([...now.keys()].map(getPart));
  for (const [id, { unit }] of old) {
    if (!now.has(id) && parts.has(getPart(id))) {
      changes.push({ id, unit, before: old.get(id), verdict: "gone" });
    }
  }
  return changes;
}

function getPart(id: string): string {
  return /^(adapter:|growth:|step of|ladder [^,]*,)/.exec(id)?.[0] ?? id.split(" ")[0] ?? "";
}

function computeSpread({ lower, upper, error = 0 }: Measured): number {
  return upper - lower + error;
}

/** Compares medians. A change that is at most the sum of both interquartile ranges is noise. */
function computeChange(id: string, before: Measured | undefined, after: Measured): MeasuredChange {
  const { unit } = after;
  if (!before) return { id, unit, after, verdict: "new" };
  const difference = after.median - before.median;
  const spread = computeSpread(before) + computeSpread(after);
  const better = after.rate ? difference > 0 : difference < 0;
  return {
    id,
    unit,
    before,
    after,
    // A median of 0, from a coarse clock, has no relative change.
    ...(before.median > 0 && { change: difference / before.median, noise: spread / before.median }),
    verdict: Math.abs(difference) <= spread ? "noise" : better ? "better" : "worse",
  };
}

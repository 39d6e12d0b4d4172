/** Measures how time and memory of a training step grow with users, items and other sizes. */

import { UserError } from "../src/user_error.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { defaultModel } from "../src/model/model_config.ts";
import type { GrowthPoint } from "../src/profile/bench_report.ts";
import { summarizeTimes } from "../src/profile/timing.ts";
import { createBenchLog, createShannonModel, type Workload, workloads } from "../src/profile/workloads.ts";
import { timeSteps } from "../src/profile/step_profile.ts";

export interface GrowthAxis {
  readonly name: string;
  readonly unit: string;
  readonly values: readonly number[];
  workload(value: number): Workload;
  /** Returns the sizes of the hidden layers; if undefined, the model has its default sizes. */
  dims?(value: number): number[];
  /** Returns x of the fitted line, such as rows per batch; if undefined, x is the size that grows. */
  x?(value: number): number;
}

/** Workload W1 (see bench/README.md) with a quarter of the events per user. */
const base: Workload = { ...workloads.W1, name: "growth", events: 5 };
const rows = ({ users, events, page }: Workload) => users * events * page;

const rowAxis = (
  name: string,
  values: readonly number[],
  change: (value: number) => Partial<Workload>,
): GrowthAxis => {
  const workload = (value: number): Workload => ({ ...base, ...change(value) });
  return { name, unit: "row", values, workload, x: (value) => rows(workload(value)) };
};

export const growthAxes: readonly GrowthAxis[] = [
  rowAxis("users per batch", [32, 128, 512, 1024, 2048], (users) => ({ users })),
  rowAxis("events per user", [1, 5, 20, 40], (events) => ({ events })),
  rowAxis("items per page", [2, 10, 40], (page) => ({ page })),
  {
    name: "features per item",
    unit: "feature",
    values: [16, 64, 128, 256],
    workload: (width) => ({ ...base, width }),
  },
  {
    name: "hidden units",
    unit: "unit of both layers",
    values: [16, 32, 64, 128],
    workload: () => base,
    dims: (units) => [units, units],
  },
  {
    name: "items, one-hot",
    unit: "item",
    values: [1_000, 10_000, 100_000, 1_000_000],
    workload: (items) => ({ ...base, width: 0, items }),
  },
];

/** Each point is measured twice, some time apart, because the speed of a shared machine changes. */
const PASSES = 2;

export async function measureGrowth(
  gpu: Gpu,
  axes: readonly GrowthAxis[],
  seconds: number,
  onProgress: (text: string, share: number) => void = () => {},
  signal?: AbortSignal,
): Promise<GrowthPoint[]> {
  const settings = axes.flatMap((axis) => axis.values.map((value) => ({ axis, value })));
  const samples: number[][] = settings.map(() => []);
  const points: GrowthPoint[] = [];
  for (let pass = 1; pass <= PASSES; pass++) {
    for (const [k, { axis, value }] of settings.entries()) {
      if (signal?.aborted) return points;
      const share = (pass - 1 + k / settings.length) / PASSES;
      onProgress(`growth, pass ${pass} of ${PASSES}, with ${axis.name}: ${value}`, share);
      const refusal = points[k]?.refusal;
      const { times = [], ...more }: Measured = refusal
        ? { refusal }
        : await measurePoint(gpu, axis, value, seconds);
      const all = samples[k]?.concat(times) ?? times;
      samples[k] = all;
      const point = { axis: axis.name, value, x: axis.x?.(value) ?? value, ...more };
      points[k] = all.length > 0 ? { ...point, time: summarizeTimes(all) } : point;
    }
  }
  return points;
}

interface Measured extends Pick<GrowthPoint, "gpuBytes" | "refusal"> {
  readonly times?: number[];
}

async function measurePoint(gpu: Gpu, axis: GrowthAxis, value: number, seconds: number): Promise<Measured> {
  const { log, users } = createBenchLog(axis.workload(value));
  const dims = axis.dims?.(value) ?? defaultModel.dims;
  try {
    using recording = await createShannonModel("LSTM", { ...defaultModel, dims }).record(gpu, log, users);
    const gpuBytes = gpu.liveBytes;
    return { gpuBytes, times: await timeSteps(recording.trainer, seconds) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const limit = error.message.match(/\bmax[A-Z]\w+/)?.[0] ?? "grid";
    return { refusal: { limit, message: error.message } };
  }
}

/** The line y = constant + slope * x, fitted by least squares of the relative errors. */
export interface FittedLine {
  readonly constant: number;
  readonly slope: number;
  /** Largest relative error |fit / y - 1| of all points. */
  readonly error: number;
}

/** @throws Error if all points have the same x. */
export function fitLine(points: readonly { readonly x: number; readonly y: number }[]): FittedLine {
  let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
  for (const { x, y } of points) {
    const weight = 1 / (y * y);
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  const slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
  const constant = (wy - slope * wx) / w;
  if (!Number.isFinite(slope)) throw new Error("expected at least two values of x, got one");
  const error = Math.max(...points.map(({ x, y }) => Math.abs((constant + slope * x) / y - 1)));
  return { constant, slope, error };
}

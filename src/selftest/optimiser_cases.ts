/** What moves the weights: sums of partial gradients, bounds on their length, Adam, and which weights are kept. */

import { randomStream } from "../data/random.ts";
import { NONE } from "../data/click_log.ts";
import { Commands } from "../gpu/commands.ts";
import type { Gpu } from "../gpu/device.ts";
import { making } from "../gpu/made.ts";
import { bufferOf } from "../gpu/memory.ts";
import { Program } from "../gpu/program.ts";
import { readFloats, readViews } from "../gpu/readback.ts";
import { Dimensions } from "../gpu/sizes.ts";
import { StepHeaders } from "../gpu/step.ts";
import { adamRate, AdamState } from "../ops/adam.ts";
import { gradientClip } from "../ops/gradient_clip.ts";
import { GradientSum } from "../ops/gradient_sum.ts";
import type { TouchedRows } from "../tape/node.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../tape/parameters.ts";
import { padRows, type Tensor } from "../tape/tensor.ts";
import { BestKeeper } from "../train/best_keeper.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import { ResultRing } from "../train/result_ring.ts";
import { choiceSummary } from "../train/sums.ts";
import { CanaryArena } from "./harness.ts";
import type { Checking, Checks } from "./finding.ts";

type RowSizes = Readonly<Record<"rows", number>>;
const dimensions = new Dimensions<RowSizes>(["rows"], "rows");

const specs: readonly ParameterSpec[] = [
  { name: "kernel", rows: 9, columns: 17, decays: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "table", rows: 61, columns: 5, table: true, decays: true },
  { name: "whole table", rows: 21, columns: 5, table: true },
];
/** More than a chunk. */
const ROWS = 700;
const SUMMED = ["kernel", "bias"];
const RATE = 0.01;
const DECAY = 0.02;

function normals(length: number, ...seed: readonly string[]): Float32Array<ArrayBuffer> {
  const random = randomStream(3, "optimiser", ...seed);
  return Float32Array.from({ length }, () => random.normal());
}

function start(): Weights {
  return new Map(specs.map(({ name, rows, columns }) => [name, normals(rows * columns, "start", name)]));
}

/** Weights, and Adam's means of gradients and of their squares. */
type Moved = Record<"w" | "m" | "v", Float64Array>;

/** One step of Adam in f64. */
function adam64({ w, m, v }: Moved, gradient: ArrayLike<number>, t: number, decay: number): void {
  const rate = RATE * Math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t);
  for (let i = 0; i < w.length; i++) {
    const g = gradient[i] ?? NaN;
    const [w0 = NaN, m0 = NaN, v0 = NaN] = [w[i], m[i], v[i]];
    const [m1, v1] = [0.9 * m0 + 0.1 * g, 0.999 * v0 + 0.001 * g * g];
    [m[i], v[i]] = [m1, v1];
    w[i] = w0 - rate * m1 / (Math.sqrt(v1) + 1e-8) - decay * w0;
  }
}

/** The same gradients every time, by name: [chunk]. */
function gradientsOf({ name, rows, columns }: ParameterSpec, t: number): Float32Array<ArrayBuffer>[] {
  const chunks = SUMMED.includes(name) ? dimensions.chunks({ rows: ROWS }) : 1;
  return Array.from({ length: chunks }, (_, k) => normals(rows * columns, name, String(t), String(k)));
}

function sumOf(parts: readonly Float32Array[]): Float64Array {
  return Float64Array.from(
    parts[0] ?? [],
    (_, i) => parts.reduce((sum, part) => sum + (part[i] ?? NaN), 0),
  );
}

/** Parameters, room for Adam, a step's header, and programs that run on them. */
async function withParameters(
  gpu: Gpu,
  checks: Checks,
  kernels: readonly string[],
  use: (made: {
    parameters: ParameterArena;
    adam: AdamState;
    arena: CanaryArena;
    headers: StepHeaders<RowSizes>;
    /** Puts the header of step t, and writes its gradients or those of a part. @param without a table */
    put: (t: number, more?: { part?: number; without?: string }) => void;
    run: (program: Pick<Program<RowSizes>, "encode">) => void;
  }) => Promise<void>,
): Promise<void> {
  const whole = await making(async (made) => {
    const parameters = made.keep(new ParameterArena(gpu, specs));
    const adam = made.keep(new AdamState(parameters, kernels.includes("adam_rows") ? "row-sparse" : "dense"));
    const arena = made.keep(new CanaryArena(gpu, "optimiser"));
    const headers = new StepHeaders(arena, dimensions, 1);
    parameters.write(start());
    await use({
      ...{ parameters, adam, arena, headers },
      put(t, { part = t, without } = {}) {
        const batch = { sizes: { rows: ROWS }, counted: ROWS, first: 0 };
        headers.put(0, batch, { slot: 0, learningRate: adamRate(RATE, t), iteration: t, decay: DECAY });
        headers.upload(0, 1);
        for (const spec of specs.filter(({ name }) => name !== without)) {
          const { parameter, view } = parameters.get(spec.name);
          gradientsOf(spec, part).forEach((values, chunk) => {
            const packed = padRows(values, spec.rows, spec.columns, 1);
            const [target, offset] = spec.table
              ? [parameters.gradient, bufferOf(view).offset]
              : [parameters.partials, 4 * (chunk * parameters.summed + (parameter?.offset ?? 0))];
            gpu.queue.writeBuffer(target.buffer, offset, packed);
          });
        }
      },
      run(program) {
        const commands = new Commands(gpu, "optimiser");
        program.encode(commands, { rows: ROWS }, 0);
        gpu.queue.submit([commands.finish()]);
      },
    });
    await arena.check(checks, kernels);
    return made;
  });
  whole.destroy();
}

const STEPS = 3;
/** Of numbers near 1 that some steps moved: roundings of a few operations, of a square root and a division each. */
const MOVED = 4e-6;

async function compareMoved(
  { parameters, adam }: { parameters: ParameterArena; adam: AdamState },
  wanted: ReadonlyMap<string, Moved>,
  kernelsOf: (name: string) => readonly string[],
  checks: Checks,
): Promise<void> {
  const found = {
    w: await parameters.read(),
    m: await parameters.read(adam.m.buffer),
    v: await parameters.read(adam.v.buffer),
  };
  const whats = { w: "weights", m: "means of gradients", v: "means of squares" };
  for (const { name, columns } of specs) {
    for (const part of ["w", "m", "v"] as const) {
      const own = wanted.get(name)?.[part] ?? new Float64Array(0);
      const what = `${whats[part]} of ${name}`;
      checks.numbers(found[part].get(name), own, {
        kernels: kernelsOf(name),
        what,
        tolerance: MOVED,
        columns,
      });
    }
  }
}

function started(): Map<string, Moved> {
  return new Map([...start()].map(([name, values]) => [name, {
    w: Float64Array.from(values),
    m: new Float64Array(values.length),
    v: new Float64Array(values.length),
  }]));
}

async function checkAdam(gpu: Gpu, checks: Checks): Promise<void> {
  const kernels = ["adam"];
  await withParameters(gpu, checks, kernels, async ({ parameters, adam, headers, put, run }) => {
    const dispatches = adam.dispatches({ dimensions, touched: new Map() });
    const program = await Program.record(gpu, "adam", headers.buffer, dispatches);
    const wanted = started();
    for (let t = 1; t <= STEPS; t++) {
      put(t);
      run(program);
      for (const spec of specs) {
        const own = wanted.get(spec.name);
        if (own) adam64(own, sumOf(gradientsOf(spec, t)), t, spec.decays ? DECAY : 0);
      }
    }
    const gradient = await parameters.read(parameters.gradient.buffer);
    for (const spec of specs) {
      const parts = gradientsOf(spec, STEPS);
      // In order, in f32; that the driver may add in another order costs a rounding a chunk.
      const tolerance = 4 * parts.length * 2 ** -24 * 4;
      const by = { kernels, what: `gradient of ${spec.name}`, tolerance, columns: spec.columns };
      checks.numbers(gradient.get(spec.name), sumOf(parts), by);
    }
    await compareMoved({ parameters, adam }, wanted, () => kernels, checks);
  });
}

/** Rows that a step touches, some places empty. */
function touchedRows(t: number, rows: number): Uint32Array<ArrayBuffer> {
  return Uint32Array.from({ length: ROWS }, (_, k) => (k % 3 === 1 || k >= 40 ? NONE : (5 * t + k) % rows));
}

async function checkAdamRows(gpu: Gpu, checks: Checks): Promise<void> {
  const kernels = ["adam_rows", "adam"];
  await withParameters(gpu, checks, kernels, async ({ parameters, adam, arena, headers, put, run }) => {
    const table = parameters.get("table");
    const spec = specs.find(({ name }) => name === "table");
    if (!spec) throw new Error("expected a table");
    const list = arena.allocate("list", 4 * ROWS);
    const gradient = arena.allocate("gradient by row", 4 * ROWS * table.stride);
    const touched = new Map<Tensor, TouchedRows<RowSizes>>([[table, { count: "rows", list, gradient }]]);
    const dispatches = adam.dispatches({ dimensions, touched });
    const program = await Program.record(gpu, "adam", headers.buffer, dispatches);
    const wanted = started();
    for (let t = 1; t <= STEPS; t++) {
      put(t, { without: "table" });
      const rows = touchedRows(t, spec.rows);
      const [values = new Float32Array(0)] = gradientsOf(spec, t);
      const own = new Float32Array(ROWS * table.stride);
      rows.forEach((row, k) => {
        if (row === NONE) return;
        own.set(values.subarray(row * spec.columns, (row + 1) * spec.columns), k * table.stride);
      });
      gpu.queue.writeBuffer(list.buffer, 0, rows);
      gpu.queue.writeBuffer(gradient.buffer, 0, own);
      run(program);
      for (const { name, columns, decays } of specs) {
        const moved = wanted.get(name);
        if (!moved) continue;
        const of = specs.find((one) => one.name === name) ?? spec;
        if (name !== "table") {
          adam64(moved, sumOf(gradientsOf(of, t)), t, decays ? DECAY : 0);
          continue;
        }
        for (const row of rows.filter((row) => row !== NONE)) {
          const part = (all: Float64Array) => all.subarray(row * columns, (row + 1) * columns);
          const { w, m, v } = moved;
          const g = values.subarray(row * columns, (row + 1) * columns);
          adam64({ w: part(w), m: part(m), v: part(v) }, g, t, decays ? DECAY : 0);
        }
      }
    }
    await compareMoved(
      { parameters, adam },
      wanted,
      (name) => [name === "table" ? "adam_rows" : "adam"],
      checks,
    );
  });
}

/** A batch in three parts: their gradients are added up, and Adam goes by the sum. */
async function checkGradientSum(gpu: Gpu, checks: Checks): Promise<void> {
  const kernels = ["gradient_add", "gradient_rows_add", "adam", "adam_rows"];
  await withParameters(gpu, checks, kernels, async ({ parameters, adam, arena, headers, put }) => {
    const spec = specs.find(({ name }) => name === "table");
    const table = parameters.get("table");
    if (!spec) throw new Error("expected a table");
    const list = arena.allocate("list", 4 * ROWS);
    const gradient = arena.allocate("gradient by row", 4 * ROWS * table.stride);
    const touched = new Map<Tensor, TouchedRows<RowSizes>>([[table, { count: "rows", list, gradient }]]);
    const sum = await GradientSum.create(adam, { dimensions, touched }, headers.buffer, arena);
    const wanted = started();
    const PARTS = 3;
    // What one batch leaves must not count in the next.
    for (let t = 1; t <= 2; t++) {
      const total = new Map(specs.map(({ name, rows, columns }) => [name, new Float64Array(rows * columns)]));
      const seen = new Set<number>();
      for (let k = 1; k <= PARTS; k++) {
        const part = PARTS * t + k;
        put(t, { part, without: "table" });
        for (const own of specs) {
          const sums = total.get(own.name) ?? new Float64Array(0);
          const values = sumOf(gradientsOf(own, part));
          if (own.name !== "table") values.forEach((g, i) => sums[i] = (sums[i] ?? NaN) + g);
        }
        const rows = touchedRows(part, spec.rows);
        const { columns } = spec;
        const sums = total.get("table") ?? new Float64Array(0);
        const all = gradientsOf(spec, part)[0] ?? new Float32Array(0);
        const byRow = new Float32Array(ROWS * table.stride);
        rows.forEach((row, place) => {
          if (row === NONE) return;
          seen.add(row);
          const g = all.subarray(row * columns, (row + 1) * columns);
          byRow.set(g, place * table.stride);
          g.forEach((x, c) => sums[row * columns + c] = (sums[row * columns + c] ?? NaN) + x);
        });
        gpu.queue.writeBuffer(list.buffer, 0, rows);
        gpu.queue.writeBuffer(gradient.buffer, 0, byRow);
        const commands = new Commands(gpu, "optimiser");
        sum.encode(commands, { rows: ROWS }, 0, { first: k === 1, last: k === PARTS });
        gpu.queue.submit([commands.finish()]);
      }
      for (const { name, columns, decays } of specs) {
        const [moved, sums = new Float64Array(0)] = [wanted.get(name), total.get(name)];
        if (!moved) continue;
        const { w, m, v } = moved;
        for (let row = 0; row < sums.length / columns; row++) {
          if (name === "table" && !seen.has(row)) continue;
          const part = (all: Float64Array) => all.subarray(row * columns, (row + 1) * columns);
          adam64({ w: part(w), m: part(m), v: part(v) }, part(sums), t, decays ? DECAY : 0);
        }
      }
    }
    const summedBy = (name: string) =>
      name === "table" ? ["gradient_rows_add", "adam_rows"] : ["gradient_add", "adam"];
    await compareMoved({ parameters, adam }, wanted, summedBy, checks);
  });
}

async function checkClip(gpu: Gpu, checks: Checks): Promise<void> {
  const kernels = ["gradient_clip", "gradient_norm"];
  await withParameters(gpu, checks, kernels, async ({ parameters, arena, headers, put, run }) => {
    const MOST = 10;
    const program = await Program.record(
      gpu,
      "clip",
      headers.buffer,
      gradientClip(parameters, dimensions, MOST, arena),
    );
    put(1);
    run(program);
    const totals = specs.map((spec) => sumOf(gradientsOf(spec, 1)));
    const norm = Math.sqrt(totals.flatMap((sum) => Array.from(sum)).reduce((sum, g) => sum + g * g, 0));
    if (!(norm > MOST)) throw new Error(`expected a gradient longer than ${MOST}, got ${norm}`);
    const [partials] = await readViews(gpu, [parameters.partials]);
    const direct = await readFloats(gpu, parameters.gradient);
    const parts = new Float32Array(partials?.buffer ?? new ArrayBuffer(0));
    for (const spec of specs) {
      const { parameter, view } = parameters.get(spec.name);
      gradientsOf(spec, 1).forEach((values, chunk) => {
        const expected = padRows(values, spec.rows, spec.columns, 1).map((g) => g * MOST / norm);
        const from = spec.table
          ? bufferOf(view).offset / 4
          : chunk * parameters.summed + (parameter?.offset ?? 0);
        const found = (spec.table ? direct : parts).subarray(from, from + expected.length);
        const what = `gradient of ${spec.name}, chunk ${chunk}`;
        checks.numbers(found, expected, { kernels, what, tolerance: 4e-6 });
      });
    }
  });
}

/** Sums of two shards each: the first validation is the best by all, the second by prec@1 alone. */
const validations = [
  { sums: [[3, 1, 4, 9], [2, 1, 3, 9]], better: ["loss", "prec1", "prec2"] },
  { sums: [[4, 2, 3, 9], [3, 2, 4, 9]], better: ["prec1"] },
] as const;

async function checkBest(gpu: Gpu, checks: Checks): Promise<void> {
  const kernels = ["keep_best", "best_compare"];
  await withParameters(gpu, checks, kernels, async ({ parameters, arena }) => {
    const [places, shards] = [4, 2];
    const ring = new ResultRing(arena, places, 1, shards);
    const networks = [{ prefix: "", parameters, adam: undefined }];
    const at = { firstSlot: ring.firstShard, shards };
    const keeper = await BestKeeper.create(networks, gpu, ring, at, choiceSummary);
    try {
      let wanted = new Map(criteria.map((criterion) => [criterion, start()]));
      for (const [n, { sums, better }] of validations.entries()) {
        const weights = new Map([...start()].map(([name, values]) => [name, values.map((w) => w + 1 + n)]));
        parameters.write(weights);
        gpu.queue.writeBuffer(ring.view.buffer, 16 * ring.firstShard, Float32Array.from(sums.flat()));
        const commands = new Commands(gpu, "best");
        keeper.encode(commands, n, n);
        gpu.queue.submit([commands.finish()]);
        const total = Float64Array.from(sums[0], (x, k) => x + (sums[1][k] ?? NaN));
        const found = ring.sumsAt(await readFloats(gpu, ring.view), ring.ofValidation(n));
        checks.same(found, total, { kernels: ["best_compare"], what: `sums of validation ${n}` });
        const isBetter = (criterion: Criterion) => better.some((one) => one === criterion);
        wanted = new Map([...wanted].map(([criterion, w]) => [criterion, isBetter(criterion) ? weights : w]));
        for (const criterion of criteria) {
          const kept = await keeper.snapshot(criterion);
          for (const { name, columns } of specs) {
            const expected = wanted.get(criterion)?.get(name) ?? new Float32Array(0);
            const what = `${name} that was best by ${criterion} after validation ${n}`;
            checks.same(kept.get(name), expected, { kernels, what, columns });
          }
        }
      }
    } finally {
      keeper.destroy();
    }
  });
}

export const optimiserCases: readonly Checking[] = [
  { name: "adam", check: checkAdam },
  { name: "adam, touched rows", check: checkAdamRows },
  { name: "gradients of a batch in parts", check: checkGradientSum },
  { name: "gradients of bounded length", check: checkClip },
  { name: "the best weights are kept", check: checkBest },
];

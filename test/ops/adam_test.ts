/** Adam with its sums of partial gradients, weight decay, tables, statistics and windows, against f64. */

import assert from "node:assert/strict";
import { Plan } from "../../src/batch/plan.ts";
import { randomStream } from "../../src/data/random.ts";
import { Commands } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { bufferOf } from "../../src/gpu/memory.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { clickDimensions } from "../../src/batch/click_sizes.ts";
import { adamRate, AdamState } from "../../src/ops/adam.ts";
import { padRows } from "../../src/tape/layout.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../../src/tape/parameters.ts";
import { withGpu } from "../op_check.ts";
import { shuffled, smallLog } from "../../src/selftest/small_logs.ts";

/** Sizes of which some end in padding, within a row and behind; in an order that the arena has to change. */
const specs: ParameterSpec[] = [
  { name: "table", rows: 90, columns: 5, table: true },
  { name: "kernel", rows: 9, columns: 17, decays: true },
  { name: "running", rows: 1, columns: 7, statistic: true },
  { name: "bias", rows: 1, columns: 17 },
  { name: "decaying table", rows: 70, columns: 3, table: true, decays: true },
  { name: "gates", rows: 3, columns: 12, groups: 4, decays: true },
];
const untouched = { dimensions: clickDimensions, touched: new Map() };
const names = specs.map((spec) => spec.name);

const log = smallLog(4, { users: 90, items: 40, width: 3, maxEvents: 9, maxPage: 10 });
const users = shuffled(4, 90);
const STEPS = 4;

/** The same partial sums and gradients every time, by name: [step][chunk]. */
function gradientsOf(spec: ParameterSpec, chunks: number): Float32Array<ArrayBuffer>[][] {
  const random = randomStream(3, "gradients", spec.name);
  return Array.from({ length: STEPS }, () =>
    Array.from(
      { length: spec.table ? 1 : chunks },
      () => Float32Array.from({ length: spec.rows * spec.columns }, () => random.normal()),
    ));
}

function start(): Weights {
  return new Map(specs.map(({ name, rows, columns }) => {
    const random = randomStream(2, "start", name);
    return [name, Float32Array.from({ length: rows * columns }, () => random.normal())];
  }));
}

interface Result {
  readonly chunks: number;
  readonly weights: Weights;
  readonly gradient: Weights;
  readonly m: Weights;
  readonly v: Weights;
  /** The whole arena of weights, padding and all. */
  readonly raw: Float32Array;
  readonly parameters: ParameterArena;
}

/** A few steps. @param most bytes of a window. */
async function run(
  gpu: Gpu,
  { decay, declared = specs, most }: { decay: number; declared?: ParameterSpec[]; most?: number },
): Promise<Result> {
  const rows = log.rowItem.length;
  const plan = new Plan(gpu, log, { users: 90, events: log.eventClick.length, rows, items: 40 }, 1);
  const parameters = new ParameterArena(gpu, declared);
  const adam = new AdamState(parameters);
  try {
    parameters.write(start());
    const program = await Program.record(gpu, "adam", plan.steps, adam.dispatches(untouched, most));
    assert.equal(program.dispatches.length, most ? Math.ceil(4 * parameters.length / most) : 1);
    let chunks = 0;
    for (let t = 1; t <= STEPS; t++) {
      const learningRate = adamRate(0.01, t);
      const sizes = plan.put(0, users, { slot: 0, learningRate, iteration: t, decay: 0.01 * decay });
      plan.upload(0, 1);
      chunks = clickDimensions.chunks(sizes);
      for (const spec of declared.filter((spec) => !spec.statistic)) {
        const { parameter, view } = parameters.get(spec.name);
        gradientsOf(spec, chunks)[t - 1]?.forEach((values, chunk) => {
          const packed = padRows(values, spec.rows, spec.columns, spec.groups ?? 1);
          const at = spec.table
            ? bufferOf(view).offset
            : 4 * (chunk * parameters.summed + (parameter?.offset ?? 0));
          const target = spec.table ? parameters.gradient : parameters.partials;
          gpu.queue.writeBuffer(target.buffer, at, packed);
        });
      }
      const commands = new Commands(gpu, "test");
      program.encode(commands, sizes, plan.offset(0));
      gpu.queue.submit([commands.finish()]);
    }
    return {
      chunks,
      weights: await parameters.read(),
      gradient: await parameters.read(parameters.gradient.buffer),
      m: await parameters.read(adam.m.buffer),
      v: await parameters.read(adam.v.buffer),
      raw: await readFloats(gpu, parameters.weights),
      parameters,
    };
  } finally {
    for (const part of [plan, parameters, adam]) part.destroy();
  }
}

Deno.test("adam: the arena's order, and what of it decays", () =>
  withGpu(undefined, (gpu) => {
    const parameters = new ParameterArena(gpu, specs);
    const at = (name: string) => parameters.get(name).parameter?.offset;
    const order = ["kernel", "gates", "bias", "running", "decaying table", "table"];
    const offsets = order.map((name) => at(name) ?? NaN);
    assert.deepEqual(offsets, [0, 256, 320, 448, 512, 832]);
    assert.equal(parameters.summed, 448);
    assert.deepEqual(parameters.decaying, [{ start: 0, end: 320 }, { start: 512, end: 832 }]);
    assert.deepEqual(parameters.names(), names);
    assert.equal(parameters.get("running").trainable, false);
    parameters.destroy();
    for (const wrong of [{ table: true }, { decays: true }]) {
      assert.throws(
        () => new ParameterArena(gpu, [{ name: "s", rows: 1, columns: 1, statistic: true, ...wrong }]),
        /parameter s: expected a statistic to be no table and not to decay/,
      );
    }
    return Promise.resolve();
  }));

for (const decay of [0, 0.3]) {
  Deno.test(`adam: ${STEPS} steps follow f64, weight decay ${decay}`, () =>
    withGpu(undefined, async (gpu) => {
      const found = await run(gpu, { decay });
      assert.ok(found.chunks >= 4, `${found.chunks}`);
      const initial = start();
      for (const spec of specs) {
        const w = Float64Array.from(initial.get(spec.name) ?? []);
        const [m, v] = [new Float64Array(w.length), new Float64Array(w.length)];
        const values = found.weights.get(spec.name) ?? assert.fail();
        if (spec.statistic) {
          assert.deepEqual(values, initial.get(spec.name));
          for (const part of [found.gradient, found.m, found.v]) {
            assert.ok(part.get(spec.name)?.every((x) => x === 0));
          }
          continue;
        }
        const gradients = gradientsOf(spec, found.chunks);
        gradients.forEach((parts, k) => {
          const t = k + 1;
          const rate = 0.01 * Math.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t);
          w.forEach((before, i) => {
            const g = parts.reduce((sum, part) => sum + (part[i] ?? NaN), 0);
            const m1 = 0.9 * (m[i] ?? NaN) + 0.1 * g;
            const v1 = 0.999 * (v[i] ?? NaN) + 0.001 * g * g;
            m[i] = m1;
            v[i] = v1;
            w[i] = before - rate * m1 / (Math.sqrt(v1) + 1e-8) - (spec.decays ? 0.01 * decay * before : 0);
          });
        });
        w.forEach((x, i) => {
          const y = values[i] ?? NaN;
          assert.ok(Math.abs(y - x) < 2e-6, `${spec.name} ${i}: expected ${x}, got ${y}`);
        });
        // The sum of the last step's partials, to the bit: in order, in f32.
        const last = gradients.at(-1) ?? [];
        const sum = (i: number) => last.reduce((sum, part) => Math.fround(sum + (part[i] ?? NaN)), 0);
        found.gradient.get(spec.name)?.forEach((g, i) => assert.equal(g, sum(i), `${spec.name} ${i}`));
      }
      // Padding, within rows and between parameters, is zero still.
      const used = found.raw.reduce((count, x) => count + (x === 0 ? 0 : 1), 0);
      assert.equal(used, specs.reduce((count, s) => count + s.rows * s.columns, 0));
    }));
}

Deno.test("adam: windows that cut parameters and ranges give the same bits", () =>
  withGpu(undefined, async (gpu) => {
    const whole = await run(gpu, { decay: 0.3 });
    for (const most of [256, 768, 1024]) {
      const cut = await run(gpu, { decay: 0.3, most });
      for (const part of ["weights", "gradient", "m", "v"] as const) assert.deepEqual(cut[part], whole[part]);
    }
  }));

Deno.test("adam: without weight decay it does not matter what decays", () =>
  withGpu(undefined, async (gpu) => {
    const plain = specs.map((spec) => ({ ...spec, decays: false }));
    const expected = await run(gpu, { decay: 0.3, declared: plain });
    const found = await run(gpu, { decay: 0 });
    for (const part of ["weights", "gradient", "m", "v"] as const) {
      assert.deepEqual(found[part], expected[part]);
    }
  }));

Deno.test("adam: tables alone have no partial sums", () =>
  withGpu(undefined, async (gpu) => {
    const tables = specs.filter((spec) => spec.table);
    const parameters = new ParameterArena(gpu, tables);
    assert.equal(parameters.summed, 0);
    const adam = new AdamState(parameters);
    const plan = new Plan(gpu, log, { users: 1, events: 9, rows: 90, items: 40 }, 1);
    await Program.record(gpu, "adam", plan.steps, adam.dispatches(untouched));
    for (const part of [parameters, adam, plan]) part.destroy();
  }));

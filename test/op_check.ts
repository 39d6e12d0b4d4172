/**
 * The check that every op goes through: forward and all gradients against its f64 reference, the reference against
 * finite differences, canaries behind every output, bit-equal repeats, for the kernel shapes of both kinds of adapter.
 */

import assert from "node:assert/strict";
import { BatchBuffers } from "../src/batch/batch_buffers.ts";
import { DeviceLog } from "../src/batch/device_log.ts";
import { batchCapacity, Plan } from "../src/batch/plan.ts";
import { referenceBatch } from "../src/batch/reference_batch.ts";
import { type ClickLog, GIVEN, NONE } from "../src/data/click_log.ts";
import { randomStream } from "../src/data/random.ts";
import { Arena } from "../src/gpu/arena.ts";
import { Commands } from "../src/gpu/commands.ts";
import { type Gpu, openGpu } from "../src/gpu/device.ts";
import { type AdapterKind, fixedShapes, type KernelShapes } from "../src/gpu/kernel_shapes.ts";
import { Program } from "../src/gpu/program.ts";
import { type Memory, type TextureView, type View, writeMemory } from "../src/gpu/memory.ts";
import { readFloats, readViews } from "../src/gpu/readback.ts";
import { inPanels, type TextureLayout } from "../src/gpu/texture_layout.ts";
import type { ClickSizes } from "../src/batch/click_sizes.ts";
import { ClickTape } from "../src/batch/click_tape.ts";
import { extent, MAX_CHUNKS, type Sizes } from "../src/gpu/sizes.ts";
import { AdamState } from "../src/ops/adam.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../src/tape/parameters.ts";
import { activated, add, at, type Matrix, matrix, slopeOf } from "../src/tape/reference.ts";
import { placesOf } from "../src/tape/node.ts";
import { type Activation, floats, padRows, type Tensor, unpadRows } from "../src/tape/tensor.ts";

const CANARY = 0x7a7a7a7a;
/** Words behind every buffer of an arena that no kernel may write. They are inside of the binding: a stray write lands. */
const CANARIES = 64;

const NO_WORDS = new Uint32Array(0);

/** Of the step: any number. */
const NOISE = 0x9e3779b9;

/** Buffers whose end no kernel may touch. */
export class CanaryArena extends Arena {
  readonly views: { name: string; view: Memory; bytes: number }[] = [];
  override allocate(name: string, bytes: number): View {
    const view = super.allocate(name, Math.ceil(bytes / 4) * 4 + 4 * CANARIES);
    // What an op has not written holds what an earlier step left; only the batch's bits start as zeros.
    const first = name.startsWith("bits") ? view.size - 4 * CANARIES : 0;
    this.gpu.queue.writeBuffer(view.buffer, first, new Uint32Array((view.size - first) / 4).fill(CANARY));
    this.views.push({ name, view, bytes: view.size - 4 * CANARIES });
    return view;
  }
  override allocateTexture(
    name: string,
    bytes: number,
    used?: (sizes: Sizes) => number,
    layout?: TextureLayout,
  ): TextureView {
    const most = bytes + 4 * CANARIES;
    const larger = layout && layout.panels > 1 ? inPanels(most, layout.rowVectors) : undefined;
    const view = super.allocateTexture(name, most, used, larger);
    writeMemory(this.gpu.queue, view, new Uint32Array(view.size / 4).fill(CANARY));
    this.views.push({ name, view, bytes });
    return view;
  }
  async checkCanaries(): Promise<void> {
    const all = await readViews(this.gpu, this.views.map(({ view }) => view));
    all.forEach((words, k) => {
      const { name, bytes } = this.views[k] ?? assert.fail();
      assert.ok(words.subarray(bytes / 4).every((word) => word === CANARY), `a stray write behind ${name}`);
    });
  }
}

/** Open devices by their shapes. Each test file has its own, as each is run apart from the others. */
const devices = new Map<string, Gpu>();

/**
 * Runs on a device, and checks that nothing failed and nothing is left alive. The tests of a file share it, and so the
 * shaders that it has compiled; after a failure the next test gets a new one.
 */
export async function withGpu<T>(
  shapes: AdapterKind | KernelShapes | undefined,
  run: (gpu: Gpu) => Promise<T>,
  maxGrid?: number,
): Promise<T> {
  const key = JSON.stringify([shapes, maxGrid]);
  const own = typeof shapes === "string" ? fixedShapes(shapes) : shapes;
  const gpu = devices.get(key) ?? await openGpu({ shapes: own, maxGrid });
  const before = gpu.shapes;
  devices.delete(key);
  let good = false;
  try {
    const result = await run(gpu);
    gpu.check();
    assert.equal(gpu.liveBuffers, 0, `buffers left alive: ${gpu.liveBufferLabels.join(", ")}`);
    good = true;
    return result;
  } finally {
    // Two that ran at once had a device each: one is kept.
    if (good && !devices.has(key)) {
      gpu.useShapes(before);
      devices.set(key, gpu);
    } else gpu.close();
  }
}

addEventListener("unload", () => {
  for (const gpu of devices.values()) gpu.close();
});

/** A leaf that an op is tried on: a value with a gradient, but no parameter. */
export interface Leaf {
  readonly name: string;
  readonly rows: keyof ClickSizes | number;
  readonly columns: number;
  readonly groups?: number;
  readonly activation?: Activation;
  readonly trainable?: boolean;
  /** Stride 1: a utility. */
  readonly packed?: boolean;
  /** Whole numbers, so that some are equal. */
  readonly whole?: boolean;
}

export interface OpCase {
  readonly log: ClickLog;
  readonly users: readonly number[];
  readonly leaves: readonly Leaf[];
  readonly parameters: readonly ParameterSpec[];
  /** Records the op under test, the last one, and what comes before it; it gets leaves and parameters by name. */
  readonly build: (tape: ClickTape, tensor: (name: string) => Tensor) => Tensor;
  /** Standard deviation of the random values. */
  readonly scale?: number;
  /** Relative to the largest value: c 2^-24 K, from the op's longest sum. */
  readonly tolerance: number;
  /** Gradients of tables are wanted for the rows alone that the batch touches. */
  readonly touchedOnly?: boolean;
  /** Not tried with the op recorded twice, which compiles its gradients' shaders once more. For all but a few sizes. */
  readonly once?: boolean;
  /** The op is a loss: what is differentiated, of its output and its inputs. */
  readonly loss?: (output: Matrix, inputs: readonly Matrix[]) => number;
}

/** Runs the case on the kernel shapes of both kinds of adapter, or on those that are given. */
export async function checkOp(
  case_: OpCase,
  shapes: readonly KernelShapes[] = [fixedShapes("cpu"), fixedShapes("gpu")],
): Promise<void> {
  for (const [k, one] of shapes.entries()) {
    await withGpu(one, async (gpu) => {
      await checkOn(gpu, case_, 1, k === 0);
      // Adding to what is there does not depend on sizes: small cases show it.
      const twice = !case_.once && !case_.loss && !case_.touchedOnly && case_.users.length < 10;
      if (twice) await checkOn(gpu, case_, 2, false);
    });
  }
}

/**
 * @param uses how often the op is recorded on the same inputs.
 * @param differences hold the reference against finite differences, which is the same whatever the shapes.
 */
async function checkOn(gpu: Gpu, c: OpCase, uses: 1 | 2, differences: boolean): Promise<void> {
  const capacity = batchCapacity(c.log, c.users, c.users.length);
  const arena = new CanaryArena(gpu, "test");
  const log = new DeviceLog(gpu, c.log);
  const plan = new Plan(gpu, c.log, capacity, 1);
  const sizes = plan.put(0, c.users, { slot: 0, learningRate: 0, iteration: 0, noise: NOISE });
  plan.upload(0, 1);
  const parameters = new ParameterArena(gpu, c.parameters);
  const adam = new AdamState(parameters);
  const batch = new BatchBuffers(arena, plan.view, log, capacity);
  const tape = new ClickTape(batch, {
    arena,
    parameters,
    capacity: sizes,
    shapes: gpu.shapes,
    touchedOnly: c.touchedOnly,
  });
  try {
    // Values.
    const random = randomStream(7, "op check", c.users.length);
    const values = new Map<string, Matrix>();
    const scale = c.scale ?? 1;
    const draw = (rows: number, columns: number, activation?: Activation) =>
      matrix(rows, columns, () => {
        const x = Math.fround(scale * random.normal());
        return Math.fround(activated(activation, x));
      });
    const leaves = new Map<string, Tensor>();
    for (const leaf of c.leaves) {
      const trainable = leaf.trainable ?? true;
      const { groups, activation } = leaf;
      const tensor = tape.tensor(leaf.name, leaf.rows, leaf.columns, {
        groups,
        activation,
        trainable,
        textured: true,
        ...(leaf.packed ? { stride: 1 } : {}),
      });
      const value = draw(extent(leaf.rows, sizes), leaf.columns, leaf.activation);
      if (leaf.whole) value.data.forEach((x, k) => value.data[k] = Math.round(x));
      values.set(leaf.name, value);
      leaves.set(leaf.name, tensor);
    }
    const weights: Weights = new Map();
    for (const spec of c.parameters) {
      const value = draw(spec.rows, spec.columns);
      values.set(spec.name, value);
      weights.set(spec.name, new Float32Array(value.data));
    }
    parameters.write(weights);
    fill(gpu, parameters.gradient.buffer);
    fill(gpu, parameters.partials.buffer);

    // The program: the batch, the op, its gradients.
    const outputs = Array.from(
      { length: uses },
      () => c.build(tape, (name) => leaves.get(name) ?? tape.parameter(name)),
    );
    tape.place();
    for (const [name, tensor] of leaves) {
      upload(gpu, tensor, values.get(name) ?? assert.fail(name), tensor.view);
    }
    const output = outputs.at(-1) ?? assert.fail();
    const node = tape.nodes.at(-1);
    assert.ok(node && node.output === output);
    const forward = tape.forward();
    const outputGradient = c.loss ? undefined : draw(extent(output.rows, sizes), output.columns);
    const backward = tape.backward(outputs);
    const specs = [...batch.layout(), ...batch.ownDispatches(), ...forward, ...backward];
    // At a rate of 0 Adam adds up the gradients and moves nothing.
    if (parameters.summed > 0) specs.push(...adam.dispatches(tape));
    const program = await Program.record(gpu, "op", plan.steps, specs);

    // The reference, and the reference against finite differences.
    const reference = referenceBatch(c.log, c.users, NOISE);
    for (const before of tape.nodes.slice(0, -1)) {
      const given = before.inputs.map((t) => values.get(t.name) ?? assert.fail(t.name));
      if (!outputs.includes(before.output)) {
        values.set(before.output.name, before.reference(given, reference).output);
      }
    }
    const inputs = node.inputs.map((t) => values.get(t.name) ?? assert.fail(t.name));
    const expected = node.reference(inputs, reference);
    const gradientOfOutput = outputGradient ?? matrix(expected.output.rows, expected.output.columns);
    const gradients = expected.backward(gradientOfOutput);
    if (differences) {
      checkFiniteDifferences(c, node.inputs, inputs, gradients, (values) => {
        const { output } = node.reference(values, reference);
        if (c.loss) return c.loss(output, values);
        return output.data.reduce((sum, y, k) => sum + y * (gradientOfOutput.data[k] ?? 0), 0);
      });
    }
    if (outputGradient) {
      // The tape's convention: the gradient of what went into the activation.
      const seed = matrix(outputGradient.rows, outputGradient.columns, (i, j) => {
        const y = at(expected.output, i, j);
        return at(outputGradient, i, j) * slopeOf(output.activation, y);
      });
      for (const tensor of outputs) upload(gpu, tensor, seed, tape.gradientOf(tensor));
    }

    // Two runs, bit for bit. A read is in the queue's order, and a wait for one takes 10 ms: all are waited for at once.
    const trainable = node.inputs.filter((t) => t.trainable);
    const twice = [0, 1].map(() => {
      const commands = new Commands(gpu, "test");
      program.encode(commands, sizes, plan.offset(0));
      gpu.queue.submit([commands.finish()]);
      return Promise.all([
        readFloats(gpu, output.view),
        ...trainable.map((t) => gradientOf(tape, t, sizes)),
      ]);
    });
    const [results] = await Promise.all([
      Promise.all(twice),
      arena.checkCanaries(),
      checkGaps(parameters),
      checkStatistics(parameters),
    ]);
    assert.deepEqual(results[0], results[1], "two runs differ");

    const [value, ...found] = results[0] ?? [];
    if (c.loss) await checkSums(arena, value ?? assert.fail(), output, sizes);
    compare(`${node.op} output on ${gpu.shapes.kind}`, output, value, expected.output, sizes, c.tolerance);
    trainable.forEach((t, k) => {
      const index = node.inputs.indexOf(t);
      const input = inputs[index] ?? assert.fail();
      const gradient = gradients[index] ?? assert.fail();
      const wanted = matrix(
        gradient.rows,
        gradient.columns,
        (i, j) => uses * at(gradient, i, j) * slopeOf(t.activation, at(input, i, j)),
      );
      compare(
        `${node.op} gradient of ${t.name} on ${gpu.shapes.kind}`,
        t,
        found[k],
        wanted,
        sizes,
        c.tolerance,
      );
    });
  } finally {
    for (const part of [arena, log, plan, parameters, adam]) part.destroy();
  }
}

/** The gradient of a tensor; of a table that is touched by row with zeros elsewhere. */
async function gradientOf(tape: ClickTape, tensor: Tensor, sizes: ClickSizes): Promise<Float32Array> {
  const { gpu } = tape.options.arena;
  const touched = tape.touched.get(tensor);
  if (!touched) return await readFloats(gpu, tape.gradientOf(tensor));
  const [whole = NO_WORDS, list = NO_WORDS, rows = NO_WORDS] = await readViews(
    gpu,
    [tape.gradientOf(tensor), touched.list, touched.gradient],
  );
  assert.ok(whole.every((word) => word === CANARY), "a stray write into the gradient");
  const gradients = new Float32Array(rows.buffer);
  const scattered = new Float32Array(whole.length);
  const seen = new Set<number>();
  for (let k = 0; k < placesOf(touched.count, sizes); k++) {
    const row = list[k] ?? NONE;
    const own = gradients.subarray(k * tensor.stride, (k + 1) * tensor.stride);
    if (row === NONE) {
      const words = new Uint32Array(own.buffer, own.byteOffset, own.length);
      assert.ok(words.every((word) => word === CANARY), `a stray write into the gradient of no row, ${k}`);
      continue;
    }
    assert.ok(!seen.has(row), `${tensor.name}: row ${row} is touched twice`);
    seen.add(row);
    scattered.set(own, row * tensor.stride);
  }
  assert.ok(seen.size > 0 && seen.size < Number(tensor.rows), `${seen.size} rows touched: the case is weak`);
  return scattered;
}

function upload(gpu: Gpu, tensor: Tensor, value: Matrix, memory: Memory): void {
  const data = tensor.stride === 1
    ? new Float32Array(value.data)
    : padRows(value.data, value.rows, value.columns, tensor.groups);
  writeMemory(gpu.queue, memory, data);
}

function fill(gpu: Gpu, buffer: GPUBuffer): void {
  gpu.queue.writeBuffer(buffer, 0, new Uint32Array(buffer.size / 4).fill(CANARY));
}

/** What a loss adds up for the host, in a ring whose only slot it has, are the sums of its output. */
async function checkSums(
  arena: CanaryArena,
  outcomes: Float32Array,
  { rows, columns }: Tensor,
  sizes: ClickSizes,
): Promise<void> {
  const ring = arena.views.find(({ name }) => name === "ring") ?? assert.fail("the loss has no ring");
  const sums = await readFloats(arena.gpu, ring.view);
  for (let column = 0; column < columns; column++) {
    let [sum, most] = [0, 0];
    for (let row = 0; row < extent(rows, sizes); row++) {
      const x = outcomes[row * columns + column] ?? NaN;
      sum += x;
      most += Math.abs(x);
    }
    const error = Math.abs((sums[column] ?? NaN) - sum);
    assert.ok(error <= 2 ** -18 * most, `sum ${column}: expected ${sum}, got ${sums[column]}`);
  }
}

/** Between parameters stands padding up to the next binding: gradients must leave it alone. */
async function checkGaps(parameters: ParameterArena): Promise<void> {
  const partials = new Uint32Array((await readFloats(parameters.gpu, parameters.partials)).buffer);
  const used = new Uint8Array(parameters.length);
  for (const name of parameters.names()) {
    const { parameter, view } = parameters.get(name);
    used.fill(1, parameter?.offset, (parameter?.offset ?? 0) + view.size / 4);
  }
  for (let chunk = 0; chunk < MAX_CHUNKS; chunk++) {
    for (let k = 0; k < parameters.summed; k++) {
      const word = partials[chunk * parameters.summed + k];
      assert.ok(used[k] || word === CANARY, `a stray write into partial sums, chunk ${chunk}, float ${k}`);
    }
  }
}

/** What Adam sees as the gradient of a statistic must stay as it was: zero, outside of this check. */
async function checkStatistics(parameters: ParameterArena): Promise<void> {
  const statistics = parameters.specs.filter((spec) => spec.statistic);
  const views = statistics.map(({ name }) => parameters.gradientView(parameters.get(name)));
  const gradients = views.length > 0 ? await readViews(parameters.gpu, views) : [];
  gradients.forEach((words, k) =>
    assert.ok(
      words.every((word) => word === CANARY),
      `a stray write into the gradient of ${statistics[k]?.name}`,
    )
  );
}

function compare(
  what: string,
  tensor: Tensor,
  found: Float32Array | undefined,
  expected: Matrix,
  sizes: ClickSizes,
  tolerance: number,
): void {
  assert.ok(found);
  const rows = extent(tensor.rows, sizes);
  assert.deepEqual([rows, tensor.columns], [expected.rows, expected.columns], `${what}: shape`);
  const dense = tensor.stride === 1
    ? found.subarray(0, rows)
    : unpadRows(found, rows, tensor.columns, tensor.groups);
  // Padding is zero: nothing else may ever be added to it.
  const used = dense.reduce((sum, x) => sum + Math.abs(x), 0);
  const all = found.subarray(0, floats(tensor, sizes)).reduce((sum, x) => sum + Math.abs(x), 0);
  if (typeof tensor.rows !== "number") {
    assert.ok(Math.abs(all - used) <= 1e-4 * Math.abs(used) + 1e-30, `${what}: padding is not zero`);
  }
  const most = expected.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
  expected.data.forEach((x, k) => {
    const error = Math.abs((dense[k] ?? NaN) - x);
    assert.ok(
      error <= tolerance * most,
      `${what} [${Math.floor(k / expected.columns)}, ${k % expected.columns}]: expected ${x}, got ${
        dense[k]
      }, ` +
        `off by ${error} with ${tolerance * most} allowed`,
    );
  });
}

/** A few entries of every input, by central differences in f64. */
function checkFiniteDifferences(
  c: OpCase,
  tensors: readonly Tensor[],
  inputs: readonly Matrix[],
  gradients: readonly Matrix[],
  loss: (values: readonly Matrix[]) => number,
): void {
  const random = randomStream(11, "finite differences");
  const h = 1e-5;
  // The reference is the same whatever the size, and takes long for many rows.
  const trials = c.users.length < 10 ? 8 : 2;
  tensors.forEach((t, index) => {
    if (!t.trainable) return;
    const [value, gradient] = [inputs[index], gradients[index]];
    assert.ok(value && gradient);
    const most = gradient.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-3);
    for (let trial = 0; trial < trials; trial++) {
      const [i, j] = [random.integer(value.rows), random.integer(value.columns)];
      const moved = (by: number) => {
        const copy = matrix(value.rows, value.columns, (a, b) => at(value, a, b));
        add(copy, i, j, by);
        return loss(inputs.map((m, k) => (k === index ? copy : m)));
      };
      const slope = (moved(h) - moved(-h)) / (2 * h);
      const error = Math.abs(slope - at(gradient, i, j));
      assert.ok(
        error <= 1e-6 * Math.max(most, 1),
        `${t.name} [${i}, ${j}]: reference ${at(gradient, i, j)}, slope ${slope}`,
      );
    }
  });
  assert.ok(c.tolerance > 0);
}

/** The mean of a column over the events that are not given: what a loss op is differentiated by. */
export function meanOf(m: Matrix, column: number, { log, users }: Pick<OpCase, "log" | "users">): number {
  let sum = 0;
  for (let row = 0; row < m.rows; row++) sum += at(m, row, column);
  return sum / countedOf(log, users);
}

/** How many events of the users are not given. */
export function countedOf(log: ClickLog, users: readonly number[]): number {
  return referenceBatch(log, users).events.filter(({ click }) => click !== GIVEN).length;
}

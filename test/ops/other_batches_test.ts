/**
 * The engine over batches that are no clicks: transitions of a replay buffer, and a small network whose value of each is
 * fitted to a target. Tape, programs, headers, parameters and Adam as they stand; the loss is an op of the test's own.
 */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { Arena } from "../../src/gpu/arena.ts";
import { Commands } from "../../src/gpu/commands.ts";
import { kernel } from "../../src/gpu/kernel.ts";
import { type View, writeMemory } from "../../src/gpu/memory.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { type Amount, amountOf, Dimensions, extent, type Sizes } from "../../src/gpu/sizes.ts";
import { StepHeaders } from "../../src/gpu/step.ts";
import { adamRate, adamReference, AdamState } from "../../src/ops/adam.ts";
import { batchNorm } from "../../src/ops/batch_norm.ts";
import { linear } from "../../src/ops/linear.ts";
import { recordLoss } from "../../src/ops/loss.ts";
import { rowDot } from "../../src/ops/row_dot.ts";
import { padRows, type Tensor } from "../../src/tape/tensor.ts";
import { ParameterArena, type ParameterSpec, type Weights } from "../../src/tape/parameters.ts";
import { at, type Matrix, matrix, type Reference } from "../../src/tape/reference.ts";
import { Tape } from "../../src/tape/tape.ts";
import { gradients64, valueOf } from "../../src/selftest/ops/op_bench.ts";
import { withGpu } from "../op_check.ts";

/** Slates that were shown, and the transitions between them. */
type ReplaySizes = Readonly<Record<"slates" | "transitions", number>>;
const dimensions = new Dimensions<ReplaySizes>(["slates", "transitions"], "transitions");
type ReplayTape = Tape<ReplaySizes, Targets>;
/** What the references read of a batch. */
type Targets = readonly number[];

const squaredError = kernel(
  "squared_error",
  `const WORKGROUP = 64;
const M = 0u;
struct Step { size: vec4u, first_entry: u32, slot: u32, chunks: u32, learning_rate: f32, iteration: u32, decay: f32,
  noise: u32, counted: u32 }
@group(0) @binding(0) var<storage, read> value: array<f32>;
@group(0) @binding(1) var<storage, read> target_value: array<f32>;
@group(0) @binding(2) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;
@compute @workgroup_size(WORKGROUP)
fn squared_error(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size[M]) { return; }
  let d = value[id.x] - target_value[id.x];
  outcome[id.x] = vec4f(0.5 * d * d, 0.0, 0.0, 0.0);
  gradient[id.x] = d / f32(step.counted);
}`,
);

/** [transitions, 4]: half of the squared error. @param target [transitions] */
function squaredErrorOf(tape: ReplayTape, value: Tensor, target: View, ring: View): Tensor {
  const output = tape.tensor("squared error", "transitions", 4);
  const reference: Reference<Targets> = ([value], targets) => {
    assert.ok(value);
    const difference = (r: number) => at(value, r, 0) - (targets[r] ?? NaN);
    return {
      output: matrix(value.rows, 4, (r, k) => (k === 0 ? difference(r) ** 2 / 2 : 0)),
      backward: () => [matrix(value.rows, 1, (r) => difference(r) / value.rows)],
    };
  };
  return recordLoss(tape, {
    op: "squared_error",
    inputs: [value],
    output,
    moved: value,
    dispatch: (_, gradient) => ({
      kernel: squaredError,
      label: "squared error",
      constants: { M: dimensions.index("transitions") },
      views: { value: value.view, target_value: target, outcome: output.view, gradient },
      invocations: ["transitions"],
      cost: () => ({ flops: 0, bytes: 0 }),
    }),
    ring,
    reference,
  });
}

const [F, H] = [5, 9];
const specs: ParameterSpec[] = [
  { name: "layer/kernel", rows: F, columns: H },
  { name: "layer/bias", rows: 1, columns: H },
  { name: "norm/scale", rows: 1, columns: H },
  { name: "norm/shift", rows: 1, columns: H },
  { name: "norm/mean", rows: 1, columns: H, statistic: true },
  { name: "norm/variance", rows: 1, columns: H, statistic: true },
  { name: "second/kernel", rows: H, columns: H },
  { name: "second/bias", rows: 1, columns: H },
  { name: "output/kernel", rows: 1, columns: H },
  { name: "output/bias", rows: 1, columns: 1 },
];
const trained = specs.filter(({ statistic }) => !statistic);

function network(tape: ReplayTape, features: Tensor): Tensor {
  const p = (name: string) => tape.parameter(name);
  const elu = { activation: "elu" } as const;
  const layer = (name: string, input: Tensor) =>
    linear(tape, name, { input, weights: p(`${name}/kernel`), bias: p(`${name}/bias`) }, elu);
  const normed = batchNorm(tape, "norm", {
    input: layer("layer", features),
    scale: p("norm/scale"),
    shift: p("norm/shift"),
    mean: p("norm/mean"),
    variance: p("norm/variance"),
  }, { training: true });
  const second = layer("second", normed);
  return rowDot(tape, "value", { input: second, weights: p("output/kernel"), bias: p("output/bias") });
}

const RATE = 0.01;
/** Transitions of each step: one chunk, several, and one alone in its last. */
const steps = [40, 600, 513];
const capacity: ReplaySizes = { slates: 3, transitions: 600 };

function normals(rows: number, columns: number, ...seed: string[]): Matrix {
  const random = randomStream(5, ...seed);
  return matrix(rows, columns, () => Math.fround(random.normal()));
}
const batchOf = (t: number, rows: number) => ({
  features: normals(rows, F, "features", String(t)),
  targets: Array.from(normals(rows, 1, "targets", String(t)).data),
});
const start = () => new Map(specs.map(({ name, rows, columns }) => [name, normals(rows, columns, name)]));

/** The same steps in f64, by the nodes' own references. @returns the weights, and the loss of each step */
function train64(tape: ReplayTape): { weights: Map<string, Matrix>; losses: number[] } {
  const weights = start();
  const zeros = (length: number) => ({ m: new Float64Array(length), v: new Float64Array(length) });
  const moments = new Map(trained.map(({ name, rows, columns }) => [name, zeros(rows * columns)]));
  const losses = steps.map((rows, k) => {
    const { features, targets } = batchOf(k + 1, rows);
    const values = new Map<string, Matrix>([...weights, ["features", features]]);
    const gradients = gradients64(tape.nodes, values, targets);
    for (const { name } of trained) {
      const [w, g, moment] = [weights.get(name), gradients.get(name), moments.get(name)];
      assert.ok(w && g && moment, name);
      adamReference({ w: w.data, ...moment }, g.data, { t: k + 1, learningRate: RATE });
    }
    return Array.from({ length: rows }, (_, r) => at(valueOf(values, { name: "squared error" }), r, 0))
      .reduce((sum, x) => sum + x, 0);
  });
  return { weights, losses };
}

Deno.test("other batches: a network over transitions trains as in f64", () =>
  withGpu("cpu", async (gpu) => {
    using stack = new DisposableStack();
    const arena = stack.use(new Arena(gpu, "replay"));
    const parameters = stack.use(new ParameterArena(gpu, specs));
    const adam = stack.use(new AdamState(parameters));
    const headers = new StepHeaders(arena, dimensions, 1);
    const ring = arena.allocate("ring", 16 * steps.length);
    const targets = arena.allocate("targets", 4 * capacity.transitions);
    const tape: ReplayTape = new Tape({ arena, dimensions, parameters, capacity, shapes: gpu.shapes });
    const features = tape.tensor("features", "transitions", F, { trainable: false, textured: true });
    squaredErrorOf(tape, network(tape, features), targets, ring);
    tape.place();
    const step = [...tape.forward(), ...tape.backward(), ...adam.dispatches(tape)];
    const program = await Program.record(gpu, "step", headers.buffer, step);
    const weights: Weights = new Map(
      [...start()].map(([name, { data }]) => [name, new Float32Array(data)]),
    );
    parameters.write(weights);
    for (const [k, rows] of steps.entries()) {
      const batch = batchOf(k + 1, rows);
      const sizes = { slates: 3, transitions: rows };
      const purpose = { slot: k, learningRate: adamRate(RATE, k + 1), iteration: k };
      headers.put(0, { sizes, counted: rows, first: 0 }, purpose);
      headers.upload(0, 1);
      writeMemory(gpu.queue, features.view, padRows(batch.features.data, rows, F, 1));
      writeMemory(gpu.queue, targets, new Float32Array(batch.targets));
      Commands.submit(gpu, "step", (commands) => program.encode(commands, sizes, headers.offset(0)));
    }
    const expected = train64(tape);
    const sums = await readFloats(gpu, ring);
    expected.losses.forEach((loss, k) => {
      const found = sums[4 * k] ?? NaN;
      assert.ok(
        Math.abs(found - loss) < 1e-4 * loss,
        `loss of step ${k}: expected ${loss}, got ${found}`,
      );
    });
    const found = await parameters.read();
    for (const { name } of trained) {
      const wanted = expected.weights.get(name) ?? assert.fail();
      found.get(name)?.forEach((x, i) => {
        const y = wanted.data[i] ?? NaN;
        assert.ok(Math.abs(x - y) < 1e-4, `${name} ${i}: expected ${y}, got ${x}`);
      });
    }
  }));

Deno.test("dimensions: four at most, and only their own names", () => {
  assert.throws(
    () => new Dimensions(["a", "b", "c", "d", "e"], "a"),
    /at most four dimensions, got a, b, c, d, e/,
  );
  assert.throws(() => new Dimensions(["a"], "b"), /expected one of a, got b/);
  assert.throws(() => dimensions.index(7), /expected one of slates, transitions, got 7/);
  assert.throws(() => extent("rows", capacity), /a batch of slates, transitions has no dimension rows/);
  assert.deepEqual([0, 256, 257, 5000].map((transitions) => dimensions.chunks({ slates: 1, transitions })), [
    1,
    1,
    2,
    16,
  ]);
});

Deno.test("amounts follow from the sizes of a batch: how many, in blocks of how many, in bounds", () => {
  const sizes = { slates: 5, transitions: 300 };
  const amounts: readonly (readonly [Amount<typeof sizes>, number])[] = [
    [7, 7],
    ["slates", 5],
    [{ of: 3, times: 4 }, 12],
    [{ of: "slates", per: 4 }, 2],
    [{ of: "slates", per: 4, times: 64 }, 128],
    [{ of: "slates", plus: "transitions" }, 305],
    [{ of: "slates", plus: 3, per: 4, times: 2 }, 4],
    [{ of: "slates", times: 2, least: 11 }, 11],
    [{ of: "slates", times: 2, most: 9 }, 9],
    [{ of: ({ slates, transitions }) => slates * transitions, times: 2 }, 3000],
    [dimensions.inChunks(), 2],
    [dimensions.inChunks(16), 32],
  ];
  for (const [amount, wanted] of amounts) {
    assert.equal(amountOf(amount, sizes), wanted, JSON.stringify(amount));
  }
  assert.equal(amountOf(dimensions.inChunks(16), { slates: 0, transitions: 0 }), 16);
  assert.equal(amountOf(dimensions.inChunks(16), { slates: 0, transitions: 10_000 }), 256);
  assert.throws(() => amountOf<Sizes>({ of: "rows" }, capacity), /has no dimension rows/);
});

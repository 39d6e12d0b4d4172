import assert from "node:assert/strict";
import { computeBatchCapacity } from "../../src/batch/plan.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { writeMemory } from "../../src/gpu/memory.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { clickDimensions } from "../../src/batch/click_sizes.ts";
import { MAX_CHUNKS } from "../../src/gpu/sizes.ts";
import { batchNorm } from "../../src/ops/batch_norm.ts";
import type { ParameterArena, Weights } from "../../src/tape/parameters.ts";
import { getAt, makeMatrix, type Matrix } from "../../src/tape/reference.ts";
import { ClickTape } from "../../src/batch/click_tape.ts";
import { padColumns, padRows } from "../../src/tape/tensor.ts";
import { createOpBench } from "../../src/selftest/ops/op_bench.ts";
import { listNormParameters, makeBatchNorm, recordNorm } from "../../src/selftest/ops/layer_recipes.ts";
import { createBatch, few, many, one, type TestBatch, U } from "../../src/selftest/ops/op_batches.ts";
import { checkOp, withGpu } from "../op_check.ts";
import { drawPermutation } from "../../src/selftest/small_logs.ts";

/** Batch with more than 16 x 256 rows, so that chunks are longer than 256 rows. */
const most = createBatch(4, { users: 210, items: 50, width: 2, maxEvents: 9, maxPage: 9 });

for (const [N, activation] of [[1], [5, "elu"], [16], [17, "elu"], [64]] as const) {
  Deno.test(`batch_norm: ${N} columns${activation ? " of ELU" : ""}`, async () => {
    for (const b of N === 5 ? [one, few, many] : [few]) {
      await checkOp({ ...makeBatchNorm(true, activation, N)(b), tolerance: 4 * U * 400 });
    }
  });
}
Deno.test("batch_norm: 5 columns with ReLU match the reference", () =>
  checkOp({ ...makeBatchNorm(true, "relu", 5)(few), tolerance: 4 * U * 400 }));
Deno.test("batch_norm: the maximum number of chunks is correct", () => {
  const { rows } = computeBatchCapacity(most.log, most.users, most.users.length);
  assert.ok(rows > 256 * MAX_CHUNKS);
  return checkOp(makeBatchNorm(true, "elu", 6)(most));
});
Deno.test("batch_norm: an input without a gradient is supported", () =>
  checkOp({
    ...makeBatchNorm(true)(few),
    leaves: [{ name: "x", rows: "rows", columns: 17, trainable: false }],
    tolerance: 4 * U * 400,
  }));

interface Norm {
  readonly parameters: ParameterArena;
  /** Runs the op on [rows, N] values; returns the output, and the input gradient for output gradient `dy`. */
  run(
    x: Matrix,
    dy?: (row: number, column: number) => number,
  ): Promise<{ y: Matrix; dx: Matrix; raw: Float32Array }>;
  readonly rows: number;
}

async function withNorm(
  gpu: Gpu,
  batch: TestBatch,
  N: number,
  training: boolean,
  use: (norm: Norm) => Promise<void>,
): Promise<void> {
  using stack = new DisposableStack();
  const { tape, plan, sizes } = createOpBench(gpu, { ...batch, parameters: listNormParameters(N) }, stack);
  const { rows } = sizes;
  const input = tape.tensor("x", "rows", N);
  const output = recordNorm(tape, input, training);
  tape.place();
  const specs = [...tape.forward(), ...(training ? tape.backward([output]) : [])];
  const program = await Program.record(gpu, "norm", plan.steps, specs);
  assert.equal(program.dispatches.length, training ? 4 : 1);
  await use({
    parameters: tape.options.parameters,
    rows,
    run: async (x, dy = () => 0) => {
      const gradients = [tape.getGradient(output), tape.getGradient(input)] as const;
      for (const [view, { data }] of [[input.view, x], [gradients[0], makeMatrix(rows, N, dy)]] as const) {
        writeMemory(gpu.queue, view, padRows(data, rows, N, 1));
      }
      CommandRecorder.submit(gpu, "test", (commands) => program.encode(commands, sizes, plan.offset(0)));
      const [raw, dx] = await Promise.all([readFloats(gpu, output.view), readFloats(gpu, gradients[1])]);
      const dense = (values: Float32Array) =>
        makeMatrix(rows, N, (i, j) => values[i * padColumns(N) + j] ?? NaN);
      return { y: dense(raw), dx: dense(dx), raw };
    },
  });
}

/** Returns mean and biased variance of each column in f64. */
function computeMoments(x: Matrix): { mean: number[]; variance: number[] } {
  const column = (j: number) => Array.from({ length: x.rows }, (_, i) => getAt(x, i, j));
  const average = (values: number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;
  const columns = Array.from({ length: x.columns }, (_, j) => column(j));
  const mean = columns.map(average);
  return {
    mean,
    variance: columns.map((values, j) => average(values.map((v) => (v - (mean[j] ?? 0)) ** 2))),
  };
}

function close(
  found: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  most: number,
  what: string,
) {
  assert.equal(found?.length, expected.length, what);
  Array.from(expected).forEach((x, k) => {
    const y = found?.[k] ?? NaN;
    assert.ok(Math.abs(y - x) <= most * Math.max(1, Math.abs(x)), `${what} ${k}: expected ${x}, got ${y}`);
  });
}

function makeStart(N: number): Weights {
  const row = (value: (j: number) => number) => Float32Array.from({ length: N }, (_, j) => value(j));
  return new Map([
    ["scale", row((j) => 1 + 0.1 * j)],
    ["shift", row((j) => 0.2 - 0.3 * j)],
    ["mean", row(() => 0)],
    ["variance", row(() => 1)],
  ]);
}

Deno.test("batch_norm: running statistics follow the batches, and evaluation uses them", () =>
  withGpu(undefined, async (gpu) => {
    const N = 5;
    const users = drawPermutation(9, 67);
    const take = (from: number, to: number) => ({ log: many.log, users: users.slice(from, to) });
    const batches = [take(0, 40), take(40, 41), take(10, 67), take(0, 67)];
    const random = createRandomStream(5, "running statistics");
    const start = makeStart(N);
    const mean = Array.from(start.get("mean") ?? []);
    const variance = Array.from(start.get("variance") ?? []);
    const normalised = (x: Matrix, mean: readonly number[], variance: readonly number[]) =>
      makeMatrix(x.rows, N, (i, j) => {
        const [mu, v] = [mean[j] ?? NaN, variance[j] ?? NaN];
        return (1 + 0.1 * j) * (getAt(x, i, j) - mu) / Math.sqrt(v + 1e-3) + 0.2 - 0.3 * j;
      });
    let trained = start;
    for (const [step, batch] of batches.entries()) {
      await withNorm(gpu, batch, N, true, async ({ parameters, rows, run }) => {
        parameters.write(trained);
        const x = makeMatrix(rows, N, (_, j) => Math.fround(3 * j - 2 + (1 + j) * random.normal()));
        const moments = computeMoments(x);
        const { y } = await run(x);
        close(y.data, normalised(x, moments.mean, moments.variance).data, 1e-5, `output of step ${step}`);
        for (let j = 0; j < N; j++) {
          mean[j] = 0.99 * (mean[j] ?? NaN) + 0.01 * (moments.mean[j] ?? NaN);
          variance[j] = 0.99 * (variance[j] ?? NaN) + 0.01 * (moments.variance[j] ?? NaN);
        }
        trained = await parameters.read();
        close(trained.get("mean"), mean, 2e-6, `running mean after step ${step}`);
        close(trained.get("variance"), variance, 2e-6, `running variance after step ${step}`);
      });
    }
    assert.deepEqual(trained.get("scale"), start.get("scale"));
    assert.deepEqual(trained.get("shift"), start.get("shift"));
    let all = new Float64Array();
    // In evaluation a row's output does not depend on the batch.
    for (const batch of batches.slice(0, 2)) {
      await withNorm(gpu, batch, N, false, async ({ parameters, rows, run }) => {
        parameters.write(trained);
        const x = makeMatrix(rows, N, (i, j) => Math.fround(2 * Math.sin(1 + i * N + j)));
        const { y, raw } = await run(x);
        close(y.data, normalised(x, mean, variance).data, 1e-5, "evaluation");
        for (let k = 0; k < 8 * rows; k++) assert.ok(k % 8 < N || raw[k] === 0, "padding is not zero");
        assert.deepEqual(await parameters.read(), trained, "evaluation changes no statistic");
        if (batch === batches[0]) all = Float64Array.from(y.data);
        else assert.deepEqual(Float64Array.from(y.data), all.slice(0, N * rows));
      });
    }
  }));

Deno.test("batch_norm: with a large mean the result is as exact as the input", () =>
  withGpu(undefined, async (gpu) => {
    const random = createRandomStream(6, "large mean");
    await withNorm(gpu, many, 3, true, async ({ parameters, rows, run }) => {
      assert.ok(clickDimensions.countChunks({ users: 0, events: 0, rows, items: 0 }) > 2);
      parameters.write(makeStart(3));
      const x = makeMatrix(rows, 3, (_, j) => Math.fround(10 ** (j + 2) + random.normal()));
      const { variance } = computeMoments(x);
      await run(x);
      const found = (await parameters.read()).get("variance");
      // A step changes statistics by 1 %. At a mean of 10^4, E[x^2] - E[x]^2 in f32 has an error of 600.
      const batch = Array.from(found ?? [], (v) => (v - 0.99) / 0.01);
      close(batch, variance, 2e-4, "variance");
    });
  }));

Deno.test("batch_norm: for one row, or equal rows, the output is the shift, and the input gradient is 0", () =>
  withGpu(undefined, async (gpu) => {
    for (const batch of [one, many]) {
      await withNorm(gpu, batch, 3, true, async ({ parameters, rows, run }) => {
        parameters.write(makeStart(3));
        const x = makeMatrix(rows, 3, (_, j) => [4, -0.5, 1024][j] ?? NaN);
        const { y, dx } = await run(x, (_, j) => j - 1.5);
        const shift = makeStart(3).get("shift") ?? assert.fail();
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < 3; j++) {
            assert.equal(getAt(y, i, j), shift[j]);
            assert.equal(Math.abs(getAt(dx, i, j)), 0);
          }
        }
      });
    }
  }));

Deno.test("batch_norm: NaN and infinity are passed on", () =>
  withGpu(undefined, async (gpu) => {
    for (const broken of [NaN, -Infinity]) {
      for (const training of [true, false]) {
        await withNorm(gpu, many, 4, training, async ({ parameters, rows, run }) => {
          parameters.write(makeStart(4));
          const row = rows - 5;
          const at = (i: number, j: number) => i === row && j === 2 ? broken : Math.fround(Math.sin(i + j));
          const x = makeMatrix(rows, 4, at);
          const { y, dx } = await run(x, () => 1);
          assert.ok(!Number.isFinite(getAt(y, row, 2)));
          // In training a column shares its mean.
          assert.equal(Number.isFinite(getAt(y, 0, 2)), !training);
          for (const j of [0, 1, 3]) assert.ok(Number.isFinite(getAt(y, 0, j)));
          if (!training) return;
          assert.ok(!Number.isFinite(getAt(dx, 0, 2)));
          const after = await parameters.read();
          assert.ok(!Number.isFinite(after.get("mean")?.[2]));
          assert.ok(!Number.isFinite(after.get("variance")?.[2]));
          for (const j of [0, 1, 3]) assert.ok(Number.isFinite(after.get("variance")?.[j]));
        });
      }
    }
  }));

Deno.test("batch_norm: a grid longer than an axis is folded", async () => {
  const run = async (training: boolean, maxGrid?: number) => {
    const out: unknown[] = [];
    await withGpu(
      undefined,
      (gpu) =>
        withNorm(gpu, most, 17, training, async ({ parameters, rows, run }) => {
          const x = makeMatrix(rows, 17, (i, j) => Math.fround(Math.cos(3 * i + j)));
          parameters.write(makeStart(17));
          const { y, dx } = await run(x, (i, j) => Math.sin(i * j));
          out.push(y, dx, await parameters.read(), await readFloats(gpu, parameters.partials));
        }),
      maxGrid,
    );
    return out;
  };
  // In training at most 10 workgroups, in evaluation 20 and more.
  assert.deepEqual(await run(true, 4), await run(true));
  assert.deepEqual(await run(false, 8), await run(false));
});

Deno.test("batch_norm: wrong inputs are named; evaluation has no gradient", () =>
  withGpu("cpu", (gpu) => {
    using stack = new DisposableStack();
    const { tape, batch } = createOpBench(gpu, { ...few, parameters: listNormParameters(5) }, stack);
    const x = tape.tensor("x", "rows", 5);
    assert.throws(
      () => recordNorm(tape, tape.tensor("z", "rows", 6), true),
      /batch_norm: expected scale to be \[1, 6\], but got scale \[1, 5\]/,
    );
    const [scale, shift, mean] = ["scale", "shift", "mean"].map((name) => tape.parameter(name));
    if (!scale || !shift || !mean) assert.fail();
    assert.throws(
      () => batchNorm(tape, "y", { input: x, scale, shift, mean, variance: shift }, { training: true }),
      /expected shift to be a running average/,
    );
    const y = recordNorm(tape, x, false);
    tape.place();
    assert.throws(() => tape.backward([y]), /op batch_norm \(y\) has no gradient/);
    const other = new ClickTape(batch, tape.options);
    const wrong = batchNorm(other, "y", { input: x, scale: mean, shift, mean, variance: mean }, {
      training: true,
    });
    other.place();
    assert.throws(
      () => other.backward([wrong]),
      /expected a parameter other than a table or average, got mean/,
    );
  }));

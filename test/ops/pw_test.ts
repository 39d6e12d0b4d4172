import assert from "node:assert/strict";
import { buildReferenceBatch } from "../../src/batch/reference_batch.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { CommandRecorder } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { writeMemory } from "../../src/gpu/memory.ts";
import { Program } from "../../src/gpu/program.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { lastClicks, pwState } from "../../src/ops/pw_state.ts";
import { pwTable } from "../../src/ops/pw_table.ts";
import { padRows, type Tensor, unpadRows } from "../../src/tape/tensor.ts";
import type { ParameterSpec } from "../../src/tape/parameters.ts";
import type { ClickTape } from "../../src/batch/click_tape.ts";
import {
  makePwState,
  makePwTable,
  makePwTableByEvent,
  type PwSizes,
  usualPw,
} from "../../src/selftest/ops/encoder_recipes.ts";
import type { CaseFactory } from "../../src/selftest/ops/layer_recipes.ts";
import { CANARY } from "../../src/selftest/harness.ts";
import { createOpBench } from "../../src/selftest/ops/op_bench.ts";
import { clicks, type TestBatch } from "../../src/selftest/ops/op_batches.ts";
import { checkOp, sweep, withGpu } from "../op_check.ts";

const { one, long, wide, noClicks, fresh, chunks, rare } = clicks;
const batches = { one, long, wide, noClicks, fresh };

/** Returns a function that registers a test with the usual sizes (to share shaders) or, in `own`, others. */
const cases =
  (of: (sizes: PwSizes) => CaseFactory) => (name: string, b: TestBatch, own: Partial<PwSizes> = {}) =>
    Deno.test(name, () => checkOp({ ...of({ ...usualPw, ...own })(b), once: Object.keys(own).length > 0 }));

for (const tanh of [false, true]) {
  const sigma = tanh ? "tanh" : "none";
  const state = cases((sizes) => makePwState(tanh, sizes));
  for (const [name, b] of Object.entries({ ...batches, "several chunks": chunks })) {
    state(`pw_state: ${sigma}, ${name}`, b);
  }
  for (const [lags, n] of sweep<readonly [number, number]>([[64, 16]], tanh ? [] : [[1, 1], [20, 3]])) {
    state(`pw_state: ${sigma}, ${lags} lags, ${n} weightings`, long, { columns: 3, lags, weightings: n });
  }
  for (const weightings of tanh ? [] : sweep([5], [8])) {
    state(`pw_state: ${sigma}, ${weightings} weightings`, wide, { columns: 6, lags: 3, weightings });
  }
  for (const columns of tanh ? [17] : sweep([1, 17], [64])) {
    state(`pw_state: ${sigma}, ${columns} features`, wide, { columns });
  }

  const table = cases((sizes) => makePwTable(tanh, sizes));
  for (const [name, b] of Object.entries(batches)) table(`pw_table: ${sigma}, ${name}`, b);
  // Lags, weightings and columns have separate edge cases, and each size combines one of each.
  const sizes = tanh
    ? [[64, 16, 17]] as const
    : sweep([[1, 1, 1], [64, 16, 17]], [[20, 3, 17], [64, 16, 64]]);
  for (const [lags = 0, n = 0, columns = 0] of sizes) {
    const name = `pw_table: ${sigma}, ${lags} lags, ${n} weightings, ${columns} columns`;
    table(name, long, { columns, lags, weightings: n });
  }
  for (const weightings of tanh ? [] : sweep([5], [8])) {
    table(`pw_table: ${sigma}, ${weightings} weightings`, wide, { columns: 6, lags: 3, weightings });
  }
  table(`pw_table: ${sigma}, several chunks`, chunks, { columns: 8 });
}
cases((sizes) => makePwTable(false, sizes, true))("pw_table: none, sparse rows", rare);
// With tanh every row has a gradient, also in batches with sparse gradients.
cases((sizes) => makePwTable(true, sizes, true))("pw_table: tanh, all rows", chunks);
const byEvent = cases(makePwTableByEvent);
for (const [name, b] of Object.entries({ ...batches, chunks })) byEvent(`pw_table: by event, ${name}`, b);
byEvent("pw_table: by event, 64 columns", long, { columns: 64 });
byEvent("pw_table: by event, 8 weightings", wide, { columns: 6, lags: 3, weightings: 8 });

interface Value extends ParameterSpec {
  readonly value: (row: number, column: number) => number;
}

/** @returns output, and gradients of the weights per event and lag, for a fixed gradient of the output */
async function evaluate(
  gpu: Gpu,
  b: TestBatch,
  values: readonly Value[],
  build: (tape: ClickTape) => Tensor,
): Promise<{ output: Float32Array; products: Float32Array }> {
  using stack = new DisposableStack();
  const { batch, plan, sizes, tape } = createOpBench(gpu, { ...b, parameters: values }, stack);
  const { parameters } = tape.options;
  parameters.write(
    new Map(values.map(({ name, rows, columns, value }) => [
      name,
      Float32Array.from({ length: rows * columns }, (_, k) => value(Math.floor(k / columns), k % columns)),
    ])),
  );
  const output = build(tape);
  tape.place();
  const specs = [...batch.layout(), ...batch.ownDispatches(), ...tape.forward(), ...tape.backward()];
  const program = await Program.record(gpu, "test", plan.steps, specs);
  const random = createRandomStream(3, "gradient of the output");
  const given = Float32Array.from({ length: sizes.events * output.columns }, () => random.normal());
  const view = tape.getGradient(output);
  writeMemory(gpu.queue, view, padRows(given, sizes.events, output.columns, 1));
  CommandRecorder.submit(gpu, "test", (commands) => program.encode(commands, sizes, plan.offset(0)));
  const found = await readFloats(gpu, output.view);
  const { products } = specs.find(({ views }) => "products" in views)?.views ?? {};
  return {
    products: await readFloats(gpu, products ?? assert.fail()),
    output: unpadRows(found, sizes.events, output.columns, 1),
  };
}

function constant(tape: ClickTape, rows: number, columns: number, value: Value["value"]): Tensor {
  const data = Float32Array.from(
    { length: rows * columns },
    (_, k) => value(Math.floor(k / columns), k % columns),
  );
  const view = tape.options.arena.upload("features", padRows(data, rows, columns, 1));
  return tape.tensor("features", rows, columns, { view, trainable: false });
}

function recordTable(tape: ClickTape): Tensor {
  const [table, weights, layerBias] = ["table", "w", "b"].map((name) => tape.parameter(name));
  if (!table || !weights || !layerBias) return assert.fail();
  return pwTable(tape, "z", { table, weights, layerBias });
}

const number = (row: number, column: number) => Math.fround(Math.sin(1 + 7 * row + column));

Deno.test("pw_state and pw_table: a weight of 1 at the first lag gives exactly the last click", () =>
  withGpu(undefined, async (gpu) => {
    const I = long.log.items.count;
    const weights: Value = { name: "w", rows: 5, columns: 1, value: (lag) => (lag === 0 ? 1 : 0) };
    const dense = await evaluate(
      gpu,
      long,
      [weights],
      (tape) => pwState(tape, "s", { features: constant(tape, I, 6, number), weights: tape.parameter("w") }),
    );
    const table: Value = { name: "table", rows: I, columns: 6, table: true, value: number };
    const bias: Value = { name: "b", rows: 1, columns: 6, value: () => 0 };
    const oneHot = await evaluate(gpu, long, [weights, table, bias], recordTable);
    const expected = lastClicks(buildReferenceBatch(long.log, long.users), 1).flatMap(([item]) =>
      Array.from({ length: 6 }, (_, k) => (item === undefined ? 0 : number(item, k)))
    );
    assert.deepEqual(Array.from(dense.output), expected);
    assert.deepEqual(Array.from(oneHot.output), expected);
    // One vector for each of five lags. Vectors of lags without a click are not written.
    for (const { products } of [dense, oneHot]) {
      const bits = new Uint32Array(products.buffer, products.byteOffset, products.length);
      buildReferenceBatch(long.log, long.users).history.forEach(({ clicks }, e) => {
        const unwritten = bits.subarray(20 * e + 4 * Math.min(clicks, 5), 20 * (e + 1));
        assert.ok(unwritten.every((x) => x === CANARY), `event ${e}`);
      });
    }
  }));

Deno.test("pw ops: wrong shapes are refused", () =>
  withGpu(undefined, async (gpu) => {
    const values: Value[] = [
      { name: "w", rows: 2, columns: 3, value: number },
      { name: "b", rows: 1, columns: 4, value: number },
      { name: "table", rows: 1, columns: 12, groups: 2, table: true, value: number },
    ];
    await assert.rejects(
      evaluate(gpu, one, values, recordTable),
      /expected table \[1, 12\] to be a table of 3 groups, got 2/,
    );
  }));

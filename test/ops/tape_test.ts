import assert from "node:assert/strict";
import { asBufferView } from "../../src/gpu/memory.ts";
import type { BatchSizes, SizeExpression } from "../../src/gpu/sizes.ts";
import { chooseGpuChunks, Dimensions, evaluateSize, getSize } from "../../src/gpu/sizes.ts";
import { linear } from "../../src/ops/linear.ts";
import { rowDot } from "../../src/ops/row_dot.ts";
import { padRows, unpadRows } from "../../src/tape/tensor.ts";
import { type ParameterSpec, splitBindingRanges } from "../../src/tape/parameters.ts";
import { createOpBench } from "../../src/selftest/ops/op_bench.ts";
import { withGpu } from "../op_check.ts";
import { choiceNll } from "../../src/ops/choice_nll.ts";
import { firstLayer } from "../../src/ops/first_layer.ts";
import { lstm } from "../../src/ops/lstm.ts";
import { ClickTape } from "../../src/batch/click_tape.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";

function withTape(specs: readonly ParameterSpec[], use: (tape: ClickTape) => void): Promise<void> {
  return withGpu("cpu", (gpu) => {
    using stack = new DisposableStack();
    const log = createSmallLog(1, { users: 3, items: 5, width: 4 });
    use(createOpBench(gpu, { log, users: [0, 1, 2], parameters: specs }, stack).tape);
  });
}

const loss = { train: true, eta: 1 };
const w: ParameterSpec = { name: "w", rows: 4, columns: 8 };
const dot: ParameterSpec[] = [{ name: "v", rows: 1, columns: 8 }, { name: "c", rows: 1, columns: 1 }];

Deno.test("tape: wrong variants are named", () =>
  withTape([w, ...dot, { name: "table", rows: 5, columns: 8 }], (tape) => {
    const x = tape.tensor("x", "rows", 5);
    const p = (name: string) => tape.parameter(name);
    assert.throws(
      () => linear(tape, "y", { input: x, weights: p("w") }),
      /linear: expected w to be \[5, 8\], but got w \[4, 8\]/,
    );
    assert.throws(() => linear(tape, "y", { input: p("w"), weights: p("w") }), /expected w to be/);
    assert.throws(
      () => rowDot(tape, "u", { input: x, weights: p("v"), bias: p("c") }),
      /row_dot: expected x to be \[rows, 8\], but got x \[rows, 5\]/,
    );
    assert.throws(
      () => choiceNll(tape, "loss", x, asBufferView(p("w").view), loss),
      /choice_nll: expected x to be \[rows, 1\]/,
    );
    const state = tape.tensor("s", "events", 8);
    assert.throws(
      () => firstLayer(tape, "h", { item: p("table"), state }),
      /expected table \[5, 8\] to be an embedding table/,
    );
    assert.throws(
      () => firstLayer(tape, "h", { item: x, state }),
      /first_layer: expected x to be \[items, 8\]/,
    );
    assert.throws(
      () => lstm(tape, "s", { features: x, inputWeights: p("table"), weights: p("w"), bias: p("c") }),
      /lstm: expected table to be \[5, 16\]/,
    );
    assert.throws(() => tape.parameter("none"), /expected a parameter among w, v, c, table, got none/);
  }));

Deno.test("tape: unused parameters, unused results and missing gradients are refused", async () => {
  const build = (tape: ClickTape) => {
    const x = tape.tensor("x", "rows", 4, { trainable: true });
    const h = linear(tape, "h", { input: x, weights: tape.parameter("w") });
    return { x, u: rowDot(tape, "u", { input: h, weights: tape.parameter("v"), bias: tape.parameter("c") }) };
  };
  await withTape([w, ...dot, { name: "spare", rows: 1, columns: 1 }], (tape) => {
    const { u } = build(tape);
    choiceNll(tape, "loss", u, tape.options.arena.allocate("ring", 16), loss);
    tape.place();
    tape.forward();
    assert.throws(() => tape.backward(), /parameter spare is unused: no op of the tape reads it/);
  });
  await withTape([w, ...dot], (tape) => {
    const { x, u } = build(tape);
    linear(tape, "aside", { input: x, weights: tape.parameter("w") });
    choiceNll(tape, "loss", u, tape.options.arena.allocate("ring", 16), loss);
    tape.place();
    tape.forward();
    assert.throws(() => tape.backward(), /aside \[rows, 8\] is unused: expected the loss/);
  });
  await withTape([], (tape) => {
    const output = tape.tensor("y", "rows", 1);
    tape.record({ op: "round", inputs: [], output, forward: () => [], reference: () => assert.fail() });
    tape.place();
    assert.throws(() => tape.backward(), /op round \(y\) has no gradient/);
  });
});

Deno.test("tape: ops are recorded, placed, then dispatched, each node once", () =>
  withTape([w, ...dot], (tape) => {
    const x = tape.tensor("x", "rows", 4);
    const h = linear(tape, "h", { input: x, weights: tape.parameter("w") });
    const u = rowDot(tape, "u", { input: h, weights: tape.parameter("v"), bias: tape.parameter("c") });
    assert.throws(() => h.view, /h has no memory: call place\(\) first/);
    assert.throws(() => tape.forward({ upTo: h }), /h has no memory/);
    tape.place();
    assert.equal(h.view, h.view);
    assert.throws(
      () => linear(tape, "again", { input: x, weights: tape.parameter("w") }),
      /expected again to be recorded before place/,
    );
    assert.equal(tape.forward({ upTo: h }).length, 1);
    assert.throws(() => tape.forward(), /expected one forward\(\) to compute h/);
    assert.deepEqual(tape.forward({ after: h }).map(({ label }) => label), ["u forward"]);
    assert.throws(() => tape.forward({ after: h }), /expected one forward\(\) to compute u/);
    assert.ok(u.view);
  }));

Deno.test("tape: a table with sparse gradients is used once", () => {
  const table: ParameterSpec = { name: "table", rows: 5, columns: 8, table: true };
  return withTape([table, ...dot], ({ batch, options }) => {
    const tape = new ClickTape(batch, { ...options, sparseGradients: true });
    const hidden = ["h", "again"].map((name) =>
      firstLayer(tape, name, {
        item: tape.parameter("table"),
        state: tape.tensor(`${name} state`, "events", 8),
      })
    );
    tape.place();
    tape.forward();
    assert.throws(() => tape.backward(hidden), /expected one op with a sparse gradient of table, got two/);
  });
});

Deno.test("padding: each group of a row is padded to a multiple of four, and unpadded", () => {
  const values = Array.from({ length: 2 * 6 }, (_, k) => k + 1);
  const packed = padRows(values, 2, 6, 2);
  assert.deepEqual(Array.from(packed), [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0]);
  assert.deepEqual(Array.from(unpadRows(packed, 2, 6, 2)), values);
  const whole = Array.from({ length: 20 }, (_, k) => k);
  for (const move of [padRows, unpadRows]) {
    for (const data of [whole, Float32Array.from(whole), Float64Array.from(whole)]) {
      assert.deepEqual(move(data, 2, 8, 2), Float32Array.from(whole.slice(0, 16)));
    }
    const given = new Float32Array(16);
    move(given, 2, 8, 2)[0] = 1;
    assert.equal(given[0], 0);
  }
});

Deno.test("windows cover an arena exactly once, aligned and within the size limit", () => {
  assert.deepEqual(splitBindingRanges(1000, 2 ** 27), [{ offset: 0, size: 4000 }]);
  const cut = splitBindingRanges(1000, 1025);
  assert.deepEqual(cut.map((w) => w.offset), [0, 1024, 2048, 3072]);
  assert.deepEqual(cut.map((w) => w.size), [1024, 1024, 1024, 928]);
  const part = splitBindingRanges({ start: 64, end: 600 }, 1025);
  assert.deepEqual(part, [{ offset: 256, size: 1024 }, { offset: 1280, size: 1024 }, {
    offset: 2304,
    size: 96,
  }]);
});

const dimensions = new Dimensions<Readonly<Record<"slates" | "transitions", number>>>(
  ["slates", "transitions"],
  "transitions",
);

Deno.test("dimensions: at most four are allowed, and unknown names are refused", () => {
  assert.throws(
    () => new Dimensions(["a", "b", "c", "d", "e"], "a"),
    /at most four dimensions, got a, b, c, d, e/,
  );
  assert.throws(() => new Dimensions(["a"], "b"), /expected one of a, got b/);
  assert.throws(() => dimensions.index(7), /expected one of slates, transitions, got 7/);
  assert.throws(
    () => getSize("rows", { slates: 3, transitions: 600 }),
    /a batch of slates, transitions has no dimension rows/,
  );
  const count = (own: typeof dimensions) =>
    [0, 64, 65, 256, 257, 5000, 20_000].map((transitions) => own.countChunks({ slates: 1, transitions }));
  assert.deepEqual(count(dimensions), [1, 1, 1, 1, 2, 16, 16]);
  assert.deepEqual(count(dimensions.withChunks(chooseGpuChunks(20_000))), [1, 1, 2, 4, 5, 79, 128]);
});

Deno.test("chunks on a GPU are as many as 16 MiB of partial sums allow, at least 16 and at most 128", () => {
  assert.deepEqual(
    [0, 2 ** 15, 2 ** 15 + 1, 2 ** 17, 2 ** 18, 2 ** 24].map((summed) => chooseGpuChunks(summed).most),
    [128, 128, 127, 32, 16, 16],
  );
});

Deno.test("amounts follow from batch sizes: counts, blocks and bounds", () => {
  const sizes = { slates: 5, transitions: 300 };
  const amounts: readonly (readonly [SizeExpression<typeof sizes>, number])[] = [
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
    [dimensions.scaleByChunks(), 2],
    [dimensions.scaleByChunks(16), 32],
  ];
  for (const [amount, wanted] of amounts) {
    assert.equal(evaluateSize(amount, sizes), wanted, JSON.stringify(amount));
  }
  assert.equal(evaluateSize(dimensions.scaleByChunks(16), { slates: 0, transitions: 0 }), 16);
  assert.equal(evaluateSize(dimensions.scaleByChunks(16), { slates: 0, transitions: 10_000 }), 256);
  assert.throws(() => evaluateSize<BatchSizes>({ of: "rows" }, sizes), /has no dimension rows/);
});

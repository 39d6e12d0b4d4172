import assert from "node:assert/strict";
import { type KernelArray, runKernel } from "../../src/profile/run_kernel.ts";
import { UserError } from "../../src/user_error.ts";
import { withGpu } from "../op_check.ts";

function kernelText(
  { type = "f32", size = "WORKGROUP", head = "const WORKGROUP = 64;", value = "x[id.x] + x[id.x]" } = {},
): string {
  return `
${head}
@group(0) @binding(0) var<storage, read> x: array<${type}>;
@group(0) @binding(1) var<storage, read_write> y: array<${type}>;
@group(0) @binding(2) var<uniform> step: vec4u;
@compute @workgroup_size(${size})
fn twice(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.x) { return; }
  y[id.x] = ${value};
}`;
}

Deno.test("outputs have the types of the passed arrays, and their initial values", () =>
  withGpu(undefined, async (gpu) => {
    const run = (text: string, x: KernelArray, y: number | KernelArray) =>
      runKernel(gpu, text, { inputs: { x }, outputs: { y }, invocations: [3] });
    const floats = await run(kernelText(), Float32Array.of(1, 2, 0.5), 3);
    assert.deepEqual(floats, { y: Float32Array.of(2, 4, 1) });
    const large = Uint32Array.of(1, 2, 2 ** 31 + 3);
    const unsigned = await run(kernelText({ type: "u32" }), large, Uint32Array.of(0, 0, 0, 7));
    assert.deepEqual(unsigned, { y: Uint32Array.of(2, 4, 6, 7) });
    const negated = kernelText({ type: "i32", value: "-x[id.x]" });
    const signed = await run(negated, Int32Array.of(1, -2, 3), new Int32Array(3));
    assert.deepEqual(signed, { y: Int32Array.of(-1, 2, -3) });
    // If a length is passed, the output array has the type that the kernel declares.
    assert.deepEqual(await run(kernelText({ type: "u32" }), large, 3), { y: Uint32Array.of(2, 4, 6) });
    assert.deepEqual(await run(negated, Int32Array.of(1, -2), 2), { y: Int32Array.of(-1, 2) });
  }));

Deno.test("all invocations run for any workgroup size, also if constants set it", () =>
  withGpu(undefined, async (gpu) => {
    const x = Float32Array.from({ length: 100 }, (_, k) => k);
    const expected = { y: x.map((value) => 2 * value) };
    const run = { inputs: { x }, outputs: { y: 100 }, invocations: [100] } as const;
    const heads = [{}, { size: "64" }, { head: "const WORKGROUP = 7;" }, { head: "", size: "16, 1" }];
    for (const head of [...heads, { head: "const LANES = 8u;", size: "LANES" }]) {
      assert.deepEqual(await runKernel(gpu, kernelText(head), run), expected);
    }
    assert.deepEqual(await runKernel(gpu, kernelText(), { ...run, constants: { WORKGROUP: 16 } }), expected);
    for (const size of ["16", "1", "WORKGROUP, 1, 2"]) {
      await assert.rejects(runKernel(gpu, kernelText({ size }), run), /got @workgroup_size\(/);
    }
    const misnumbered = kernelText().replace("binding(1)", "binding(3)");
    const refusal = {
      name: "UserError",
      message: /expected @binding\(0\).* got @binding\(0\) x, @binding\(3\) y, @binding\(2\) step/,
    };
    await assert.rejects(runKernel(gpu, misnumbered, run), refusal);
    const fixed = { ...run, constants: { WORKGROUP: 16 } };
    await assert.rejects(runKernel(gpu, kernelText({ size: "64" }), fixed), /\(64\) with WORKGROUP = 16\./);
  }));

Deno.test("arrays of another type than declared are refused", () =>
  withGpu(undefined, async (gpu) => {
    const x = Float32Array.of(1);
    const run = (type: string, x: unknown, y: number | Uint32Array<ArrayBuffer> = 1) =>
      runKernel(gpu, kernelText({ type }), {
        inputs: { x: x as Float32Array<ArrayBuffer> },
        outputs: { y },
        invocations: [1],
      });
    await assert.rejects(run("f32", [1]), /binding x: expected .* Float32Array.*got a plain array/);
    await assert.rejects(run("f32", Float32Array.of()), /binding x: expected .*got an empty array/);
    await assert.rejects(
      run("u32", x),
      /binding x: expected .* Uint32Array .* x: array<u32>\), got Float32Array/,
    );
    await assert.rejects(run("f32", x, Uint32Array.of(1)), /binding y: expected .* a length or Float32Array/);
    await assert.rejects(run("vec4f", Uint32Array.of(1)), /binding x: expected .* Float32Array/);
    assert.deepEqual(await run("f32", x), { y: Float32Array.of(2) });
  }));

Deno.test("a kernel of two axes runs once per pair", () =>
  withGpu(undefined, async (gpu) => {
    const text = kernelText({ size: "4, 2", value: "f32(id.x)", head: "" })
      .replace("if (id.x >= step.x)", "if (id.x >= step.x || id.y >= step.y)").replace(
        "y[id.x]",
        "y[id.y * step.x + id.x]",
      );
    const run = { inputs: { x: Float32Array.of(0) }, outputs: { y: 15 }, invocations: [5, 3] } as const;
    const { y } = await runKernel(gpu, text.replace("f32(id.x)", "f32(10u * id.y + id.x) + x[0]"), run);
    assert.deepEqual([...y], [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);
  }));

Deno.test("wrong requests are refused before the kernel runs, with the expected value", () =>
  withGpu(undefined, async (gpu) => {
    const x = Float32Array.of(1);
    const run = { inputs: { x }, outputs: { y: 1 }, invocations: [1] } as const;
    const refused = (message: RegExp, changes: object, text = kernelText()) =>
      assert.rejects(runKernel(gpu, text, { ...run, ...changes }), message);
    await refused(/expected inputs\.x .*got nothing/, { inputs: {} });
    await refused(/expected outputs\.y .*got nothing/, { inputs: { x, y: x }, outputs: {} });
    await refused(/no binding z, only x, y/, { inputs: { x, z: x } });
    const vectors = kernelText().replaceAll("array<f32>", "array<vec4f>");
    await refused(/multiple of 4 numbers.*got 1/, {}, vectors);
    await refused(
      /multiple of 4 numbers.*got 6/,
      { inputs: { x: new Float32Array(4) }, outputs: { y: 6 } },
      vectors,
    );
    await refused(/text \(WORKGROUP\), got K/, { constants: { K: 1 } });
    for (const invocations of [undefined, [], [0], [2.5], [1, 2, 3], 4]) {
      await refused(/^UserError: Expected invocations/, { invocations });
    }
    await refused(
      /to be @group\(0\) @binding\(2\) var<uniform> step/,
      {},
      kernelText().replace(/.*step: vec4u.*/, ""),
    );
    await refused(/a function with @compute/, {}, "fn f() {}");
    await refused(/at most \d+ invocations in a workgroup, got 64 x 64/, {}, kernelText({ size: "64, 64" }));
    const single = kernelText({ head: "", size: "1" });
    await refused(/workgroups along an axis, got 100000 x 1/, { invocations: [100_000] }, single);
    await refused(
      /expected @workgroup_size of one or two numbers/,
      {},
      kernelText({ head: "const W = 8 * 8;", size: "W" }),
    );
    // A dispatch that only WebGPU refuses, and whose outputs would be 0.
    await refused(
      /size 4 where the shader expects 400/,
      {},
      kernelText().replace("array<f32>", "array<f32, 100>"),
    );
    const reordered = kernelText().replaceAll(/(@group\(0\)) (@binding\(\d\))/g, "$2 $1");
    assert.deepEqual(await runKernel(gpu, reordered, run), { y: Float32Array.of(2) });
  }));

Deno.test("a compile error is reported once, with line, column and cause", () =>
  withGpu(undefined, async (gpu) => {
    const run = { inputs: { x: Float32Array.of(1) }, outputs: { y: 1 }, invocations: [1] } as const;
    for (
      const [value, position, cause] of [["x[id.x] * ;", "9:23", /";"/], [
        "x[id.x] * foo",
        "9:23",
        /foo/,
      ]] as const
    ) {
      const error: unknown = await runKernel(gpu, kernelText({ value }), run).catch((error) => error);
      assert.ok(error instanceof UserError);
      assert.doesNotMatch(error.stack ?? "", /\/src\//, "the stack begins at the caller");
      const [head, first = "", ...rest] = error.message.split("\n");
      assert.equal(head, "kernel twice does not compile");
      assert.ok(first.startsWith(`twice.wgsl:${position} `), first);
      assert.match(first, cause);
      assert.equal(error.message.split(position).length, 2, error.message);
      assert.ok(rest.some((line) => line.includes("y[id.x] = ")), "the faulty line is shown");
      assert.doesNotMatch(error.message, /Shader|naga|wgpu/);
    }
  }));

Deno.test("a time is reported on request, and its runs do not change the outputs", () =>
  withGpu(undefined, async (gpu) => {
    const text = kernelText({ value: "y[id.x] + x[id.x]" });
    const x = new Float32Array(1000).fill(2);
    let median = 0;
    const run = { inputs: { x }, outputs: { y: 1000 }, invocations: [1000] } as const;
    const { y } = await runKernel(gpu, text, { ...run, onTime: (time) => median = time.median });
    assert.deepEqual(y, x);
    assert.ok(median > 0 && median < 1e6, `${median} us`);
  }));

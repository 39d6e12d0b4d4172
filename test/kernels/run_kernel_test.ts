import assert from "node:assert/strict";
import { type KernelArray, runKernel } from "../../src/gpu/run_kernel.ts";
import { withGpu } from "../op_check.ts";

function kernelText(
  { type = "f32", size = "WORKGROUP", workgroup = 64, value = "x[id.x] + x[id.x]", head = "" } = {},
): string {
  return `
const WORKGROUP = ${workgroup};
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
  }));

Deno.test("all invocations run for any workgroup size, also if constants set it", () =>
  withGpu(undefined, async (gpu) => {
    const x = Float32Array.from({ length: 100 }, (_, k) => k);
    const expected = { y: x.map((value) => 2 * value) };
    const run = { inputs: { x }, outputs: { y: 100 }, invocations: [100] } as const;
    for (const head of [{}, { size: "64" }, { workgroup: 7 }]) {
      assert.deepEqual(await runKernel(gpu, kernelText(head), run), expected);
    }
    assert.deepEqual(await runKernel(gpu, kernelText(), { ...run, constants: { WORKGROUP: 16 } }), expected);
    for (const size of ["16", "WORKGROUP, 2", "1"]) {
      await assert.rejects(runKernel(gpu, kernelText({ size }), run), /got @workgroup_size\(/);
    }
    const fixed = { ...run, constants: { WORKGROUP: 16 } };
    await assert.rejects(runKernel(gpu, kernelText({ size: "64" }), fixed), /got @workgroup_size\(64\)/);
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
    await assert.rejects(run("f32", [1]), /binding x: expected a Float32Array.*got a plain array/);
    await assert.rejects(
      run("u32", x),
      /binding x: expected a Uint32Array, as the kernel declares array<u32>/,
    );
    await assert.rejects(run("u32", Uint32Array.of(1)), /binding y: expected a Uint32Array/);
    await assert.rejects(run("vec4f", Uint32Array.of(1)), /binding x: expected a Float32Array/);
    assert.deepEqual(await run("f32", x), { y: Float32Array.of(2) });
  }));

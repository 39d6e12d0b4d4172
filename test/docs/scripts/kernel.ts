import * as clickgan from "../../../src/mod.ts";

const text = `
const WORKGROUP = 64;
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: vec4u; // x: the invocations that are wanted
@compute @workgroup_size(WORKGROUP)
fn squares(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.x) { return; }
  y[id.x] = x[id.x] * x[id.x];
}`;
const gpu = await clickgan.openGpu();
const x = Float32Array.of(1, 2, 3, 4.5);
const { y } = await clickgan.runKernel(gpu, text, {
  inputs: { x },
  outputs: { y: x.length },
  invocations: [x.length],
});
console.log(y); // 1, 4, 9, 20.25
gpu.close();

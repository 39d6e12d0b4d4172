// matmul_forward_1_naive.wgsl - a dense layer, as its formula is written
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]      output = ELU(input W + bias)
// Grid         N x M invocations in workgroups of 16 x 4.
// Idea         one invocation, one number of the output. Every product needs 2 loads for 2 flops.
// On a GPU     (reasoned) slow, but less than expected: neighbours in x read neighbouring weights (one wide
//              load for all) and the same input (one broadcast), and both come from caches.
// On llvmpipe  every load runs lane by lane, each with a bounds check: some 99 % of the time is loading.

const WORKGROUP = 16;   // columns
const WORKGROUP_Y = 4;  // rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_forward_1_naive(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  if (id.x >= N || id.y >= step.size.z) { return; }
  var z = bias[id.x];
  for (var k = 0u; k < K; k++) { z += input[id.y * K + k] * weights[k * N + id.x]; }
  output[id.y * N + id.x] = select(exp(min(z, 0.0)) - 1.0, z, z > 0.0);
}

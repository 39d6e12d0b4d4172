// matmul_weight_gradient_1_naive.wgsl - gradient of a dense layer's weights, as its formula is written
//   input [M, K]   output_gradient [M, N]      partials [K, N] = input^T output_gradient
// Grid         N x K invocations in workgroups of 16 x 4.
// Idea         one invocation, one weight: it loops over all rows of the batch, with 2 loads for 2 flops.
// On a GPU     (reasoned) slow for two reasons: K N invocations (4,096 for 64 x 64) are few, and each
//              computes M additions, one after another.
// On llvmpipe  4,096 invocations are enough for a few cores; the loads cost most.

const WORKGROUP = 16;   // columns
const WORKGROUP_Y = 4;  // k
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_weight_gradient_1_naive(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  if (id.x >= N || id.y >= K) { return; }
  var sum = 0.0;
  for (var m = 0u; m < step.size.z; m++) { sum += input[m * K + id.y] * output_gradient[m * N + id.x]; }
  partials[id.y * N + id.x] = sum;
}

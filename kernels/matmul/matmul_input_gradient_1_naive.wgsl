// matmul_input_gradient_1_naive.wgsl - gradient of a dense layer's input, as its formula is written
//   output_gradient [M, N]   weights [K, N]   input [M, K]
//   input_gradient [M, K] = output_gradient W^T ELU'(input)      ELU' = 1 for input > 0, else input + 1
// Grid         K x M invocations in workgroups of 16 x 4.
// Idea         one invocation, one number of the result: the dot product of a row of the output gradient and
//              a row of W. Both rows are read in order, number by number.
// On a GPU     (reasoned) slow: neighbours in x read rows of W that are N floats apart, a cache line each.
// On llvmpipe  slow: 2 loads for 2 flops, each run lane by lane after a bounds check.

const WORKGROUP = 16;   // columns
const WORKGROUP_Y = 4;  // rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_input_gradient_1_naive(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  if (id.x >= K || id.y >= step.size.z) { return; }
  var d = 0.0;
  for (var n = 0u; n < N; n++) { d += output_gradient[id.y * N + n] * weights[id.x * N + n]; }
  let x = input[id.y * K + id.x];
  input_gradient[id.y * K + id.x] = d * select(x + 1.0, 1.0, x > 0.0);
}

// matmul_input_gradient_2_vectors.wgsl - gradient of a dense layer's input, four products at a time
//   output_gradient [M, N]   weights [K, N]   input [M, K]
//   input_gradient [M, K] = output_gradient W^T ELU'(input)      ELU' = 1 for input > 0, else input + 1
// Grid         K x M invocations in workgroups of 16 x 4.
// Idea         both rows of the product are contiguous, so they can be read as vectors: dot(d, w). Each
//              loaded float serves as many products as in step 1.
// On a GPU     (reasoned) has a quarter of the load instructions, but reads the same bytes from memory.
// On llvmpipe  depends on N. For N = 256 it is faster: four products share the loop around them. For N = 64
//              it is slower: the compiler unrolls a loop of 16 turns; that takes long, and the long code is
//              slower. Measurements: bench/ladder.md

const WORKGROUP = 16;   // columns
const WORKGROUP_Y = 4;  // rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_input_gradient_2_vectors(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  if (id.x >= K || id.y >= step.size.z) { return; }
  var d = 0.0;
  for (var n = 0u; n < N4; n++) { d += dot(output_gradient[id.y * N4 + n], weights[id.x * N4 + n]); }
  let x = input[id.y * K + id.x];
  input_gradient[id.y * K + id.x] = d * select(x + 1.0, 1.0, x > 0.0);
}

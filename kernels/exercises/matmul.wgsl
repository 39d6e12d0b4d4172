// matmul.wgsl - exercise: a dense layer      (read kernels/course/2-matmul.md)
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]        output = ELU(input W + bias)
//   ELU(z) = z for z > 0, else exp(z) - 1
//   Rows are padded with zeros to vectors of four: K = 4 K4, N = 4 N4. Bindings: array<f32> or array<vec4f>.
//
// Your task    compute the sum over k, then ELU.
// Then         make it fast: coalesced loads, a tile in workgroup memory, 4 x 4 outputs in registers. Adapt
//              the grid.
// Rules        kernels/README.md, "The exercises". Letters of the grid: M, K4, N4, for example "N4, M / 4".
// grid: 4 N4, M

const WORKGROUP = 16;
const WORKGROUP_Y = 4;
const K4 = 16u;
const N4 = 16u;

struct Step { size: vec4u }  // z: M

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  let n = id.x;
  let m = id.y;
  if (n >= N || m >= step.size.z) { return; }
  var z = bias[n];
  // YOUR CODE: add the sum over k of input[m, k] weights[k, n].
  output[m * N + n] = z;  // YOUR CODE: ELU.
}

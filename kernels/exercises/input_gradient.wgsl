// input_gradient.wgsl - exercise: the gradient of a dense layer's input     (read kernels/course/2-matmul.md)
//   output_gradient [M, N]   weights [K, N]   input [M, K]   input_gradient [M, K]
//   input_gradient = (output_gradient W^T) times ELU'(z); input = ELU(z) is the previous layer's output:
//   ELU'(z) = 1 for input > 0, else input + 1
//   Rows are padded with zeros to vectors of four: K = 4 K4, N = 4 N4. Bindings: array<f32> or array<vec4f>.
//
// Your task    compute the sum over n, then multiply by the slope.
// Then         which numbers of W do neighbours in x read: one cache line, or many? Transpose W in a tile.
// Rules        kernels/README.md, "The exercises". Letters of the grid: M, K4, N4, for example "K4, M / 4".
// grid: 4 K4, M

const WORKGROUP = 16;
const WORKGROUP_Y = 4;
const K4 = 16u;
const N4 = 16u;

struct Step { size: vec4u }  // z: M

@group(0) @binding(0) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn input_gradient_of(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  let k = id.x;
  let m = id.y;
  if (k >= K || m >= step.size.z) { return; }
  var d = 0.0;
  // YOUR CODE: the sum over n of output_gradient[m, n] weights[k, n].
  let x = input[m * K + k];
  input_gradient[m * K + k] = d * x;  // YOUR CODE: d times the slope of ELU.
}

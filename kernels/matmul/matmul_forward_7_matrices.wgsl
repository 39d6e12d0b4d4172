// matmul_forward_7_matrices.wgsl - a dense layer, as products of 4 x 4 matrices
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]      output = ELU(input W + bias)
// Grid         M / 4 x N / 4 invocations in workgroups of 8.
// Idea         four k at a time: 4 vectors of the input and 4 of the weights form two mat4x4f, whose product
//              is added to the block. These are again 8 floats per k, but 2 vector loads instead of 4 scalar
//              loads and a vector load. From this step on the weights are in a uniform buffer.
// On a GPU     (reasoned) wider loads, the same arithmetic; compilers often widen the loads themselves.
// On llvmpipe  faster, with the weights in a uniform buffer: the loop has a quarter of the turns, and four
//              products are added up in registers before they are added to the block. With the weights in
//              storage nothing is gained, because their loads take most of the time.

const WORKGROUP = 8;  // blocks of 4 rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

fn put(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size.z) { return; }
  let z = sum + bias[column];
  output[m * N4 + column] = select(exp(min(z, vec4f(0.0))) - 1.0, z, z > vec4f(0.0));
}

@compute @workgroup_size(WORKGROUP)
fn matmul_forward_7_matrices(@builtin(global_invocation_id) id: vec3u) {
  let column = id.y;
  let m = 4u * id.x;
  let last = step.size.z - 1u;
  if (column >= N4 || m > last) { return; }
  // Rows past the end read the last row again; they are not stored.
  let r0 = m * K4;
  let r1 = min(m + 1u, last) * K4;
  let r2 = min(m + 2u, last) * K4;
  let r3 = min(m + 3u, last) * K4;
  var c = mat4x4f();  // each column is a row of the output
  for (var k = 0u; k < K4; k++) {
    let a = mat4x4f(input[r0 + k], input[r1 + k], input[r2 + k], input[r3 + k]);
    let w = 4u * k * N4 + column;
    c += mat4x4f(weights[w], weights[w + N4], weights[w + 2u * N4], weights[w + 3u * N4]) * a;
  }
  put(m, column, c[0]);
  put(m + 1u, column, c[1]);
  put(m + 2u, column, c[2]);
  put(m + 3u, column, c[3]);
}

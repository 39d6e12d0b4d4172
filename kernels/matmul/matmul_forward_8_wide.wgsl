// matmul_forward_8_wide.wgsl - a dense layer, with a wider block
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]      output = ELU(input W + bias)
// Grid         M / 4 x N / 16 invocations in workgroups of 8.
// Idea         4 rows x 16 columns per invocation: each loaded input serves four blocks of weights. 20
//              vectors for 512 flops, where step 7 loads 32.
// On a GPU     (reasoned) more than 64 accumulators do not pay: fewer invocations then fit at a time, and
//              nothing hides the latency of a load.
// On llvmpipe  faster by half: nothing hides the latency of loads on llvmpipe, so only their number matters.
//              Blocks of 8 x 16, as in the shipped matmul_forward_rows.wgsl, gain half as much again, and
//              more with the input in a texture.

const WORKGROUP = 8;  // blocks of 4 rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

// Returns four k of the weights, from vector `at` on.
fn block(at: u32) -> mat4x4f {
  return mat4x4f(weights[at], weights[at + N4], weights[at + 2u * N4], weights[at + 3u * N4]);
}

fn put(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size.z || column >= N4) { return; }
  let z = sum + bias[column];
  output[m * N4 + column] = select(exp(min(z, vec4f(0.0))) - 1.0, z, z > vec4f(0.0));
}

fn put_block(m: u32, column: u32, c: mat4x4f) {
  put(m, column, c[0]);
  put(m + 1u, column, c[1]);
  put(m + 2u, column, c[2]);
  put(m + 3u, column, c[3]);
}

@compute @workgroup_size(WORKGROUP)
fn matmul_forward_8_wide(@builtin(global_invocation_id) id: vec3u) {
  let column = 4u * id.y;
  let m = 4u * id.x;
  let last = step.size.z - 1u;
  if (m > last) { return; }
  // Rows past the end read the last row again; they are not stored.
  let r0 = m * K4;
  let r1 = min(m + 1u, last) * K4;
  let r2 = min(m + 2u, last) * K4;
  let r3 = min(m + 3u, last) * K4;
  // Each column of a matrix is a row of the output.
  var c0 = mat4x4f();
  var c1 = mat4x4f();
  var c2 = mat4x4f();
  var c3 = mat4x4f();
  for (var k = 0u; k < K4; k++) {
    let a = mat4x4f(input[r0 + k], input[r1 + k], input[r2 + k], input[r3 + k]);
    let w = 4u * k * N4 + column;
    // Columns past the end read other columns' weights; they are not stored.
    c0 += block(w) * a;
    c1 += block(w + 1u) * a;
    c2 += block(w + 2u) * a;
    c3 += block(w + 3u) * a;
  }
  put_block(m, column, c0);
  put_block(m, column + 1u, c1);
  put_block(m, column + 2u, c2);
  put_block(m, column + 3u, c3);
}

// matmul_input_gradient_4_transposed.wgsl - gradient of a dense layer's input, with W transposed in registers
//   output_gradient [M, N]   weights [K, N]   input [M, K]
//   input_gradient [M, K] = output_gradient W^T ELU'(input)      ELU' = 1 for input > 0, else input + 1
// Grid         M / 4 x K / 16 invocations in workgroups of 8.
// Idea         an invocation owns 4 rows x 16 columns, as in matmul_forward_8_wide.wgsl. A block of 4 x 4
//              weights is read as stored and transposed in registers, so no transposed copy of W is needed.
//              20 vectors for 512 flops.
// On a GPU     (reasoned) the block is faster; neighbours on neighbouring rows are slower: see
//              matmul_forward_5_lanes_over_rows.wgsl.
// On llvmpipe  faster. The transposition is free: lanes are invocations, so each element (i, j) of a matrix
//              has a vector register, and a transposition only renames the registers.

const WORKGROUP = 8;  // blocks of 4 rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> input: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

// Returns a 4 x 4 block of W, transposed.
fn block(at: u32) -> mat4x4f {
  return transpose(mat4x4f(weights[at], weights[at + N4], weights[at + 2u * N4], weights[at + 3u * N4]));
}

fn put(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size.z || column >= K4) { return; }
  let x = input[m * K4 + column];
  input_gradient[m * K4 + column] = sum * select(x + 1.0, vec4f(1.0), x > vec4f(0.0));
}

fn put_block(m: u32, column: u32, c: mat4x4f) {
  put(m, column, c[0]);
  put(m + 1u, column, c[1]);
  put(m + 2u, column, c[2]);
  put(m + 3u, column, c[3]);
}

@compute @workgroup_size(WORKGROUP)
fn matmul_input_gradient_4_transposed(@builtin(global_invocation_id) id: vec3u) {
  let column = 4u * id.y;
  let m = 4u * id.x;
  let last = step.size.z - 1u;
  if (m > last) { return; }
  // Rows past the end read the last row again; they are not stored.
  let r0 = m * N4;
  let r1 = min(m + 1u, last) * N4;
  let r2 = min(m + 2u, last) * N4;
  let r3 = min(m + 3u, last) * N4;
  // Each column of a matrix is a row of the result.
  var c0 = mat4x4f();
  var c1 = mat4x4f();
  var c2 = mat4x4f();
  var c3 = mat4x4f();
  for (var n = 0u; n < N4; n++) {
    let d = mat4x4f(output_gradient[r0 + n], output_gradient[r1 + n], output_gradient[r2 + n], output_gradient[r3 + n]);
    let w = 4u * column * N4 + n;
    c0 += block(w) * d;
    c1 += block(w + 4u * N4) * d;
    c2 += block(w + 8u * N4) * d;
    c3 += block(w + 12u * N4) * d;
  }
  put_block(m, column, c0);
  put_block(m, column + 1u, c1);
  put_block(m, column + 2u, c2);
  put_block(m, column + 3u, c3);
}

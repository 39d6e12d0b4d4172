// matmul_input_gradient_rows.wgsl - gradient of a dense layer's input, by blocks of rows
//   output_gradient [M, N]   weights [K, N]   input [M, K]   input_gradient [M, K]
//   input_gradient = output_gradient W^T      (times ELU'(input) with ELU)
//
// With ELU the input is ELU(z), and ELU'(z) follows from the input: 1 for z > 0, else input + 1. The result
// is then the gradient of z, so the previous layer's activation needs no separate pass.
//
// For          a CPU adapter: SwiftShader; others for more than 256 outputs. Otherwise
//              matmul_input_gradient_panel.wgsl
// On a GPU     matmul_input_gradient_tiled.wgsl, matmul_gradients_tiled.wgsl
// Grid         M / 8 x K / 16 invocations in workgroups of 8.
// Work split   one invocation owns 8 rows x 16 columns, as in matmul_forward_rows.wgsl. There is no
//              transposed copy of W: a 4 x 4 block of W is read as stored and transposed in registers.
// On llvmpipe  the transposition costs nothing: it only renames registers. Measurements: bench/ladder.md
// Cost         2 M K N flops, 4 (M N + K N + 2 M K) bytes.      Accuracy   N roundings of the running sum
// Forward      matmul_forward_rows.wgsl

const WORKGROUP = 8;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const ELU = true;
const RELU = false;  // ReLU replaces ELU (requires ELU = true); slope 0 where the output is 0
const ACCUMULATE = false;

struct Step { size: vec4u }  // sizes of the batch

@group(0) @binding(0) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> input: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

fn load_output_gradient(i: u32) -> vec4f { return output_gradient[i]; }
fn load_input(i: u32) -> vec4f { return input[i]; }

fn store(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size[M] || column >= K4) { return; }
  let at = m * K4 + column;
  var d = sum;
  if (ELU) {
    let x = load_input(at);
    if (RELU) { d *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }
    d *= select(x + 1.0, vec4f(1.0), x > vec4f(0.0));
  }
  if (ACCUMULATE) { input_gradient[at] += d; } else { input_gradient[at] = d; }
}

fn store_row(m: u32, column: u32, z0: vec4f, z1: vec4f, z2: vec4f, z3: vec4f) {
  store(m, column, z0);
  store(m, column + 1u, z1);
  store(m, column + 2u, z2);
  store(m, column + 3u, z3);
}

@compute @workgroup_size(WORKGROUP)
fn matmul_input_gradient_rows(@builtin(global_invocation_id) id: vec3u) {
  let m = id.x * 8u;
  let column = id.y * 4u;
  let last = step.size[M] - 1u;
  if (m > last) { return; }
  let r0 = m * N4;
  let r1 = min(m + 1u, last) * N4;
  let r2 = min(m + 2u, last) * N4;
  let r3 = min(m + 3u, last) * N4;
  let r4 = min(m + 4u, last) * N4;
  let r5 = min(m + 5u, last) * N4;
  let r6 = min(m + 6u, last) * N4;
  let r7 = min(m + 7u, last) * N4;
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c02 = mat4x4f();
  var c03 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  var c12 = mat4x4f();
  var c13 = mat4x4f();
  // Row 4 column + k of W starts at w + k N4.
  let w = column * 4u * N4;
  for (var n = 0u; n < N4; n++) {
    let d0 = mat4x4f(
      load_output_gradient(r0 + n), load_output_gradient(r1 + n), load_output_gradient(r2 + n), load_output_gradient(r3 + n));
    let d1 = mat4x4f(
      load_output_gradient(r4 + n), load_output_gradient(r5 + n), load_output_gradient(r6 + n), load_output_gradient(r7 + n));
    let v = w + n;
    let w0 = transpose(mat4x4f(weights[v], weights[v + N4], weights[v + 2u * N4], weights[v + 3u * N4]));
    c00 += w0 * d0;
    c10 += w0 * d1;
    let w1 = transpose(mat4x4f(weights[v + 4u * N4], weights[v + 5u * N4], weights[v + 6u * N4], weights[v + 7u * N4]));
    c01 += w1 * d0;
    c11 += w1 * d1;
    let w2 = transpose(
      mat4x4f(weights[v + 8u * N4], weights[v + 9u * N4], weights[v + 10u * N4], weights[v + 11u * N4]));
    c02 += w2 * d0;
    c12 += w2 * d1;
    let w3 = transpose(
      mat4x4f(weights[v + 12u * N4], weights[v + 13u * N4], weights[v + 14u * N4], weights[v + 15u * N4]));
    c03 += w3 * d0;
    c13 += w3 * d1;
  }
  store_row(m, column, c00[0], c01[0], c02[0], c03[0]);
  store_row(m + 1u, column, c00[1], c01[1], c02[1], c03[1]);
  store_row(m + 2u, column, c00[2], c01[2], c02[2], c03[2]);
  store_row(m + 3u, column, c00[3], c01[3], c02[3], c03[3]);
  store_row(m + 4u, column, c10[0], c11[0], c12[0], c13[0]);
  store_row(m + 5u, column, c10[1], c11[1], c12[1], c13[1]);
  store_row(m + 6u, column, c10[2], c11[2], c12[2], c13[2]);
  store_row(m + 7u, column, c10[3], c11[3], c12[3], c13[3]);
}

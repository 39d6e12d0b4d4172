// matmul_forward_rows.wgsl - a dense layer, by blocks of rows
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]     M: users, events, rows or items of the batch
//   output = act(input W + bias);   with GATHER, row m of the input is row index[m]
// For          a CPU adapter: SwiftShader; others for more than 256 inputs. Otherwise
//              matmul_forward_panel.wgsl
// On a GPU     matmul_forward_tiled.wgsl
// Grid         M / 8 x N / 16 invocations in workgroups of 8.
// Work split   one invocation owns 8 rows x 16 columns of the output, in eight 4 x 4 accumulators. For every
//              4 k it loads 8 + 16 vectors and does 1,024 flops.
// On llvmpipe  it matters how often a loaded value is used. The invocations of a workgroup own neighbouring
//              blocks of rows and read the same weights, but llvmpipe loads these lane by lane. Weights that
//              fit are therefore in a *uniform* buffer: loads from it have no bounds check per lane, unlike
//              loads from storage. Steps and measurements: bench/ladder.md
// On SwiftShader  only the use of a loaded value matters: a texture is no faster than a buffer, so the input
//              is in a buffer. Smaller blocks are slower.
// Cost         2 M K N flops, 4 (M K + K N + M N) bytes.      Accuracy   K roundings of the running sum
// Backward     matmul_input_gradient_rows.wgsl, matmul_weight_gradient_rows.wgsl

const WORKGROUP = 8;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const BIAS = true;
const ELU = true;
const RELU = false;

struct Step { size: vec4u }  // sizes of the batch

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn store_output(i: u32, value: vec4f) { output[i] = value; }

// NaN and infinity are passed on, detected by exponent bits: min and exp may make ordinary numbers of them.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// Returns the start of the input's row m. Rows past the end read the last row again; they are never written.
fn input_row(m: u32) -> u32 {
  let row = min(m, step.size[M] - 1u);
  if (GATHER) { return index[row] * K4; }
  return row * K4;
}

fn store(m: u32, column: u32, z: vec4f) {
  if (m >= step.size[M] || column >= N4) { return; }
  var y = z;
  if (BIAS) { y += bias[column]; }
  if (RELU) { y = select(vec4f(0.0), y, (y > vec4f(0.0)) | broken(y)); }
  if (ELU) { y = select(exp(min(y, vec4f(0.0))) - 1.0, y, (y > vec4f(0.0)) | broken(y)); }
  store_output(m * N4 + column, y);
}

fn store_row(m: u32, column: u32, z0: vec4f, z1: vec4f, z2: vec4f, z3: vec4f) {
  store(m, column, z0);
  store(m, column + 1u, z1);
  store(m, column + 2u, z2);
  store(m, column + 3u, z3);
}

@compute @workgroup_size(WORKGROUP)
fn matmul_forward_rows(@builtin(global_invocation_id) id: vec3u) {
  let m = id.x * 8u;
  let column = id.y * 4u;
  if (m >= step.size[M]) { return; }
  let r0 = input_row(m);
  let r1 = input_row(m + 1u);
  let r2 = input_row(m + 2u);
  let r3 = input_row(m + 3u);
  let r4 = input_row(m + 4u);
  let r5 = input_row(m + 5u);
  let r6 = input_row(m + 6u);
  let r7 = input_row(m + 7u);
  // cXj: rows 4X .. 4X+3, one in each column of the matrix; output columns 4j .. 4j+3
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c02 = mat4x4f();
  var c03 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  var c12 = mat4x4f();
  var c13 = mat4x4f();
  for (var k = 0u; k < K4; k++) {
    let a0 = mat4x4f(load_input(r0 + k), load_input(r1 + k), load_input(r2 + k), load_input(r3 + k));
    let a1 = mat4x4f(load_input(r4 + k), load_input(r5 + k), load_input(r6 + k), load_input(r7 + k));
    let w = k * 4u * N4 + column;
    let w0 = mat4x4f(weights[w], weights[w + N4], weights[w + 2u * N4], weights[w + 3u * N4]);
    c00 += w0 * a0;
    c10 += w0 * a1;
    let w1 = mat4x4f(weights[w + 1u], weights[w + N4 + 1u], weights[w + 2u * N4 + 1u], weights[w + 3u * N4 + 1u]);
    c01 += w1 * a0;
    c11 += w1 * a1;
    let w2 = mat4x4f(weights[w + 2u], weights[w + N4 + 2u], weights[w + 2u * N4 + 2u], weights[w + 3u * N4 + 2u]);
    c02 += w2 * a0;
    c12 += w2 * a1;
    let w3 = mat4x4f(weights[w + 3u], weights[w + N4 + 3u], weights[w + 2u * N4 + 3u], weights[w + 3u * N4 + 3u]);
    c03 += w3 * a0;
    c13 += w3 * a1;
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

// matmul_input_gradient_panel.wgsl - gradient of a dense layer's input, for up to 256 outputs
//   output_gradient [M, N]   weights [K, N]   input [M, K]   input_gradient [M, K]
//   input_gradient = output_gradient W^T      (times ELU'(input) with ELU)
//
// With ELU the input is ELU(z), and ELU'(z) follows from the input: 1 for z > 0, else input + 1. The result
// is then the gradient of z, so the previous layer's activation needs no separate pass.
//
// For          a CPU adapter except SwiftShader, up to 256 outputs. Otherwise
//              matmul_input_gradient_rows.wgsl
// On a GPU     matmul_input_gradient_tiled.wgsl, matmul_gradients_tiled.wgsl
// Grid         256 (K / 16) x M / 256 invocations in workgroups of 256.
// Work split   as in matmul_forward_panel.wgsl, which gives the reasons: a workgroup owns WORKGROUP rows x 16
//              columns of the result. It copies its 16 rows of W, transposed to [N, 16], into workgroup
//              memory. An invocation owns one row, in code without loops or branches.
// On llvmpipe  ELU' needs 16 columns of the input, 64 bytes of each row. Stored by rows, these are one cache
//              line in four, and every eight rows wait for memory. So the input is stored in panels of 16
//              columns (src/gpu/memory.ts). Whole rows of output_gradient are read, so it is stored by rows;
//              panels are slower. Measurements: bench/ladder.md
// Cost         2 M K N flops, 4 (2 M K + K N + M N) bytes.      Accuracy   N roundings of the running sum
// Forward      matmul_forward_panel.wgsl

const WORKGROUP = 256;  // rows
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4, at most 64
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

var<workgroup> panel: array<vec4f, 16u * N4>;  // row n of the panel: numbers 16 n .. 16 n + 15, four vectors

struct Sums { c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f }

fn entry(p: u32) -> vec4f { return panel[p / 4u]; }

// Adds the products of four more gradients, d: columns 4n .. 4n+3 of the output.
fn add(s: Sums, d: vec4f, n: u32) -> Sums {
  let p = 64u * n;
  return Sums(
    fma(vec4f(d.w), entry(p + 48u), fma(vec4f(d.z), entry(p + 32u), fma(vec4f(d.y), entry(p + 16u), fma(vec4f(d.x), entry(p), s.c0)))),
    fma(vec4f(d.w), entry(p + 52u), fma(vec4f(d.z), entry(p + 36u), fma(vec4f(d.y), entry(p + 20u), fma(vec4f(d.x), entry(p + 4u), s.c1)))),
    fma(vec4f(d.w), entry(p + 56u), fma(vec4f(d.z), entry(p + 40u), fma(vec4f(d.y), entry(p + 24u), fma(vec4f(d.x), entry(p + 8u), s.c2)))),
    fma(vec4f(d.w), entry(p + 60u), fma(vec4f(d.z), entry(p + 44u), fma(vec4f(d.y), entry(p + 28u), fma(vec4f(d.x), entry(p + 12u), s.c3)))),
  );
}

// Adds up to sixteen vectors, from `first` on, of the row at `at`. All are read before the first addition.
fn add_part(sums: Sums, at: u32, first: u32) -> Sums {
  var d = array<vec4f, 16>();
  d[0] = load_output_gradient(at + first);
  for (var n = 1u; n < 16u; n++) { if (N4 > first + n) { d[n] = load_output_gradient(at + first + n); } }  // unrolled
  var s = add(sums, d[0], first);
  for (var n = 1u; n < 16u; n++) { if (N4 > first + n) { s = add(s, d[n], first + n); } }  // unrolled
  return s;
}

// Rows and columns past the end repeat the last row or column, as in matmul_forward_panel.wgsl. With
// ACCUMULATE put skips them, as nothing may be added twice.
fn place(m: u32, column: u32) -> u32 { return min(m, step.size[M] - 1u) * K4 + min(column, K4 - 1u); }

// Returns the invocation's element of the input, for ELU'.
fn load_own(m: u32, column: u32) -> vec4f {
  if (RELU) { return select(vec4f(-1.0), vec4f(1.0), load_input(place(m, column)) > vec4f(0.0)); }
  if (ELU) { return load_input(place(m, column)); }
  return vec4f(1.0);
}

fn put(m: u32, column: u32, z: vec4f, x: vec4f) {
  if (ACCUMULATE && (m >= step.size[M] || column >= K4)) { return; }
  let at = place(m, column);
  let d = select(z, z * select(x + 1.0, vec4f(1.0), x > vec4f(0.0)), ELU);
  if (ACCUMULATE) { input_gradient[at] += d; } else { input_gradient[at] = d; }
}

@compute @workgroup_size(WORKGROUP)
fn matmul_input_gradient_panel(@builtin(local_invocation_id) place: vec3u, @builtin(workgroup_id) group: vec3u) {
  let local = place.x;
  let column = 4u * group.x;
  for (var i = local; i < 4u * N4; i += WORKGROUP) {
    let n = i / 4u;
    let k = 4u * min(column + i % 4u, K4 - 1u);
    let w = transpose(mat4x4f(weights[k * N4 + n], weights[(k + 1u) * N4 + n], weights[(k + 2u) * N4 + n], weights[(k + 3u) * N4 + n]));
    let p = 16u * n + i % 4u;
    panel[p] = w[0];
    panel[p + 4u] = w[1];
    panel[p + 8u] = w[2];
    panel[p + 12u] = w[3];
  }
  workgroupBarrier();
  let m = group.y * WORKGROUP + local;
  let at = min(m, step.size[M] - 1u) * N4;
  let x0 = load_own(m, column);
  let x1 = load_own(m, column + 1u);
  let x2 = load_own(m, column + 2u);
  let x3 = load_own(m, column + 3u);
  var s = add_part(Sums(), at, 0u);
  for (var n = 16u; n < 64u; n += 16u) { if (N4 > n) { s = add_part(s, at, n); } }  // unrolled
  put(m, column, s.c0, x0);
  put(m, column + 1u, s.c1, x1);
  put(m, column + 2u, s.c2, x2);
  put(m, column + 3u, s.c3, x3);
}

// matmul_forward_panel.wgsl - a dense layer with up to 256 inputs
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]     M: users, events, rows or items of the batch
//   output = act(input W + bias);   with GATHER, row m of the input is row index[m]
//   with DOT also dots [M, panels]: dots_mp = output_m . dot_weights over the 16 columns of panel p. A row of
//     dots is padded to whole vectors. row_dot_forward.wgsl or choice_nll.wgsl adds up the dots.
// For          a CPU adapter except SwiftShader, up to 256 inputs. Otherwise   matmul_forward_rows.wgsl
// On a GPU     matmul_forward_tiled.wgsl
// Grid         256 (N / 16) x M / 256 invocations in workgroups of 256.
// Work split   a workgroup owns WORKGROUP rows x 16 columns; an invocation owns one row. First the workgroup
//              copies its panel of W, 16 columns [K, 16], into workgroup memory. After that barrier there is
//              no loop and no branch.
// Why dots     the output is in registers here. row_dot_forward.wgsl would read all of it again.
// On llvmpipe  how the driver runs a kernel, the steps to this kernel, and all measurements: bench/ladder.md
//   k          is unrolled, so that the index of W[k][n] in the panel is a constant. llvmpipe reads workgroup
//              memory at a constant index in one instruction: the multiplication loads the number and
//              broadcasts it. In a loop, or at a computed index, the read is a gather: eight lanes, one after
//              another, some 35 instructions.
//   The input  is read once per row and panel, from a texture if it is in one (src/gpu/memory.ts).
//   16 columns keep the code of 64 k within the first-level instruction cache. 32 columns halve the reads of
//              the input and are slower; 8 columns are no faster. With more than 64 k the code comes from the
//              second-level cache, at half the speed.
//   One axis   an invocation finds its row by local_invocation_id.x. local_invocation_index, or a second
//              axis, costs 16 more integer divisions per eight invocations.
//   256 rows   halve the copies of the panel compared with 128 rows. With the one axis that saves a fifth of
//              the time.
//   Panels     the input is also stored in panels of 16 columns (src/gpu/memory.ts), because the gradients
//              read 16 columns of every row. Here panels make little difference.
// Cost         2 M K N flops, 4 (M K + K N + M N) bytes.      Accuracy   K roundings of the running sum
// Backward     matmul_input_gradient_panel.wgsl, matmul_weight_gradient_rows.wgsl

const WORKGROUP = 256;  // rows
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4, at most 64
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const BIAS = true;
const ELU = true;
const RELU = false;
const DOT = false;

struct Step { size: vec4u }  // sizes of the batch

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(5) var<storage, read> dot_weights: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> dots: array<f32>;
@group(0) @binding(7) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn store_output(i: u32, value: vec4f) { output[i] = value; }

// Row k of the panel: vectors 4k .. 4k+3. Then the bias and the weights of the dot product.
var<workgroup> panel: array<vec4f, 16u * K4 + 8u>;
const BIAS_AT = 16u * K4;
const DOT_AT = BIAS_AT + 4u;

struct Sums { c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f }

// Adds the products of four more inputs, a: columns 4k .. 4k+3 of the row.
fn add(s: Sums, a: vec4f, k: u32) -> Sums {
  let p = 16u * k;
  return Sums(
    fma(vec4f(a.w), panel[p + 12u], fma(vec4f(a.z), panel[p + 8u], fma(vec4f(a.y), panel[p + 4u], fma(vec4f(a.x), panel[p], s.c0)))),
    fma(vec4f(a.w), panel[p + 13u], fma(vec4f(a.z), panel[p + 9u], fma(vec4f(a.y), panel[p + 5u], fma(vec4f(a.x), panel[p + 1u], s.c1)))),
    fma(vec4f(a.w), panel[p + 14u], fma(vec4f(a.z), panel[p + 10u], fma(vec4f(a.y), panel[p + 6u], fma(vec4f(a.x), panel[p + 2u], s.c2)))),
    fma(vec4f(a.w), panel[p + 15u], fma(vec4f(a.z), panel[p + 11u], fma(vec4f(a.y), panel[p + 7u], fma(vec4f(a.x), panel[p + 3u], s.c3)))),
  );
}

// Adds up to sixteen vectors, from `first` on, of the row at `at`. All are read before the first addition.
fn add_part(sums: Sums, at: u32, first: u32) -> Sums {
  var a = array<vec4f, 16>();
  a[0] = load_input(at + first);
  for (var n = 1u; n < 16u; n++) { if (K4 > first + n) { a[n] = load_input(at + first + n); } }  // unrolled
  var s = add(sums, a[0], first);
  for (var n = 1u; n < 16u; n++) { if (K4 > first + n) { s = add(s, a[n], first + n); } }  // unrolled
  return s;
}

// NaN and infinity are passed on, detected by exponent bits: min and exp may make ordinary numbers of them.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// Rows and columns past the end compute the last row or column again and store the same bits at its address.
// (WGSL calls that a race, but the values are equal.) An `if` would be correct at half the speed: LLVM moves
// all additions after the branch, and until then the products of the whole row stay in memory.
fn put(row: u32, column: u32, y: vec4f) { store_output(row * N4 + min(column, N4 - 1u), y); }

fn activated(z: vec4f) -> vec4f {
  if (RELU) { return select(vec4f(0.0), z, (z > vec4f(0.0)) | broken(z)); }
  if (ELU) { return select(exp(min(z, vec4f(0.0))) - 1.0, z, (z > vec4f(0.0)) | broken(z)); }
  return z;
}

fn dotted(t: vec4f, y: vec4f, k: u32) -> vec4f {
  if (DOT) { return t + y * panel[DOT_AT + k]; }
  return t;
}

@compute @workgroup_size(WORKGROUP)
fn matmul_forward_panel(@builtin(local_invocation_id) place: vec3u, @builtin(workgroup_id) group: vec3u) {
  let local = place.x;
  let column = 4u * group.x;
  for (var i = local; i < 16u * K4; i += WORKGROUP) {
    panel[i] = weights[(i / 4u) * N4 + min(column + i % 4u, N4 - 1u)];
  }
  if (BIAS && local < 4u) { panel[BIAS_AT + local] = bias[min(column + local, N4 - 1u)]; }
  if (DOT && local < 4u) {
    panel[DOT_AT + local] = select(vec4f(0.0), dot_weights[min(column + local, N4 - 1u)], column + local < N4);
  }
  workgroupBarrier();
  let m = min(group.y * WORKGROUP + local, step.size[M] - 1u);
  var at = m * K4;
  if (GATHER) { at = index[m] * K4; }
  var s = Sums();
  if (BIAS) { s = Sums(panel[BIAS_AT], panel[BIAS_AT + 1u], panel[BIAS_AT + 2u], panel[BIAS_AT + 3u]); }
  s = add_part(s, at, 0u);
  for (var n = 16u; n < 64u; n += 16u) { if (K4 > n) { s = add_part(s, at, n); } }  // unrolled
  let y0 = activated(s.c0);
  let y1 = activated(s.c1);
  let y2 = activated(s.c2);
  let y3 = activated(s.c3);
  // Each vector's dot product comes right after its store. One sum after all stores takes a sixth longer.
  put(m, column, y0);
  var t = dotted(vec4f(0.0), y0, 0u);
  put(m, column + 1u, y1);
  t = dotted(t, y1, 1u);
  put(m, column + 2u, y2);
  t = dotted(t, y2, 2u);
  put(m, column + 3u, y3);
  t = dotted(t, y3, 3u);
  if (DOT) { dots[m * 4u * ((N4 + 15u) / 16u) + group.x] = (t.x + t.y) + (t.z + t.w); }
}

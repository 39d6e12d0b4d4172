// matmul_forward_panel.wgsl - a dense layer with up to 256 inputs, for a CPU adapter
//
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]       M: users, events, rows or items of the batch
//   output = act(input W + bias);   with GATHER, row m of the input is row index[m]
//   with DOT also dots [M, panels] = output . dot_weights over the columns of a panel, rows padded to whole vectors, which
//   row_dot_sum.wgsl adds up. What is in registers here costs row_dot_forward.wgsl a vector read for every four columns.
//
// Work split   a workgroup owns WORKGROUP rows x 16 columns, an invocation one of its rows. First the workgroup copies its
//              panel of W, [K, 16], into workgroup memory; then everything is one straight line: no loop, no branch.
// Why so       llvmpipe turns a read of *workgroup memory at a constant place* into one instruction, a broadcast that the
//              multiplication takes along; in a loop, or at a place that is computed, it is a gather of eight lanes one
//              after another, some 35 instructions. So k is written out: the place of W[k][n] in the panel is a constant. The
//              input is read once a row and panel, from a texture where it can be (see src/gpu/memory.ts). 16 columns keep
//              the code of 64 k within the first-level instruction cache; 32 columns read half as much and are slower. Beyond
//              64 k it comes from the second level, 9 bytes a cycle: 256 x 32 runs at 53 GFLOP/s, 64 x 64 at 73 (in
//              matmul_forward_rows 41; 128 x 160, whose weights fit no uniform, 54 and there 20). 8 columns: no faster.
// Its place    an invocation finds itself by local_invocation_id.x: local_invocation_index, or a second axis, costs llvmpipe 16
//              more integer divisions for eight invocations, 23 ns (6 % of 25,600 x 64 x 64). 256 rows a workgroup instead of 128
//              copy the panel half as often: 4 %.
// Its input    stands in panels of sixteen columns, too (src/gpu/texture_layout.ts): for the gradients, which want sixteen
//              columns of every row; here it makes little difference.
// Where 3.2 ms of 25,600 x 64 x 64 go   texels 0.8, products and sums 0.8, ELU 0.5, stores 0.5, starting 12,800 vectors 0.3,
//              the barrier 0.2, copying panels 0.1. Tried and lost: all panels of a row in one invocation (with barriers
//              between 3.5, in one straight line 3.4 to 3.9, in a loop 20), sums as a tree (no difference), a fragment shader that
//              renders the output as a texture (10: constants of its uniform are read behind bounds checks).
// Cost         2 M K N flops, 4 (M K + K N + M N) bytes.     Accuracy   K roundings of the running sum
// Backward     matmul_input_gradient_panel.wgsl, matmul_weight_gradient_rows.wgsl
// More inputs  matmul_forward_rows.wgsl     On a GPU     matmul_forward_tiled.wgsl

const WORKGROUP = 256;  // rows
const M = 2u;    // which of step.size counts the rows
const K4 = 16u;  // columns of the input / 4, at most 64
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const BIAS = true;
const ELU = true;
const DOT = false;

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

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

// Row k of the panel: 4k .. 4k+3; behind them the bias and the dot product's weights.
var<workgroup> panel: array<vec4f, 16u * K4 + 8u>;
const BIAS_AT = 16u * K4;
const DOT_AT = BIAS_AT + 4u;

struct Sums { c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f }

// Four more inputs, a, of columns 4k .. 4k+3.
fn add(s: Sums, a: vec4f, k: u32) -> Sums {
  let p = 16u * k;
  return Sums(
    fma(vec4f(a.w), panel[p + 12u], fma(vec4f(a.z), panel[p + 8u], fma(vec4f(a.y), panel[p + 4u], fma(vec4f(a.x), panel[p], s.c0)))),
    fma(vec4f(a.w), panel[p + 13u], fma(vec4f(a.z), panel[p + 9u], fma(vec4f(a.y), panel[p + 5u], fma(vec4f(a.x), panel[p + 1u], s.c1)))),
    fma(vec4f(a.w), panel[p + 14u], fma(vec4f(a.z), panel[p + 10u], fma(vec4f(a.y), panel[p + 6u], fma(vec4f(a.x), panel[p + 2u], s.c2)))),
    fma(vec4f(a.w), panel[p + 15u], fma(vec4f(a.z), panel[p + 11u], fma(vec4f(a.y), panel[p + 7u], fma(vec4f(a.x), panel[p + 3u], s.c3)))),
  );
}

// Sixteen vectors of a row that starts at `at`, as far as it has them. All are read before the first is added.
fn add_part(sums: Sums, at: u32, first: u32) -> Sums {
  var a = array<vec4f, 16>();
  a[0] = load_input(at + first);
  if (K4 > first + 1u) { a[1] = load_input(at + first + 1u); }
  if (K4 > first + 2u) { a[2] = load_input(at + first + 2u); }
  if (K4 > first + 3u) { a[3] = load_input(at + first + 3u); }
  if (K4 > first + 4u) { a[4] = load_input(at + first + 4u); }
  if (K4 > first + 5u) { a[5] = load_input(at + first + 5u); }
  if (K4 > first + 6u) { a[6] = load_input(at + first + 6u); }
  if (K4 > first + 7u) { a[7] = load_input(at + first + 7u); }
  if (K4 > first + 8u) { a[8] = load_input(at + first + 8u); }
  if (K4 > first + 9u) { a[9] = load_input(at + first + 9u); }
  if (K4 > first + 10u) { a[10] = load_input(at + first + 10u); }
  if (K4 > first + 11u) { a[11] = load_input(at + first + 11u); }
  if (K4 > first + 12u) { a[12] = load_input(at + first + 12u); }
  if (K4 > first + 13u) { a[13] = load_input(at + first + 13u); }
  if (K4 > first + 14u) { a[14] = load_input(at + first + 14u); }
  if (K4 > first + 15u) { a[15] = load_input(at + first + 15u); }
  var s = add(sums, a[0], first);
  if (K4 > first + 1u) { s = add(s, a[1], first + 1u); }
  if (K4 > first + 2u) { s = add(s, a[2], first + 2u); }
  if (K4 > first + 3u) { s = add(s, a[3], first + 3u); }
  if (K4 > first + 4u) { s = add(s, a[4], first + 4u); }
  if (K4 > first + 5u) { s = add(s, a[5], first + 5u); }
  if (K4 > first + 6u) { s = add(s, a[6], first + 6u); }
  if (K4 > first + 7u) { s = add(s, a[7], first + 7u); }
  if (K4 > first + 8u) { s = add(s, a[8], first + 8u); }
  if (K4 > first + 9u) { s = add(s, a[9], first + 9u); }
  if (K4 > first + 10u) { s = add(s, a[10], first + 10u); }
  if (K4 > first + 11u) { s = add(s, a[11], first + 11u); }
  if (K4 > first + 12u) { s = add(s, a[12], first + 12u); }
  if (K4 > first + 13u) { s = add(s, a[13], first + 13u); }
  if (K4 > first + 14u) { s = add(s, a[14], first + 14u); }
  if (K4 > first + 15u) { s = add(s, a[15], first + 15u); }
  return s;
}

// Clamps and exp swallow what is no finite number: by its exponent bits it is found and handed on.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// Rows and columns past the end repeat the last one: they store the same bits at the same place (to the letter a race,
// between equal values). An `if` would do as well, but LLVM defers all additions to the far side of a branch, and the
// products of the whole row wait in memory: half the speed.
fn put(row: u32, column: u32, y: vec4f) { store_output(row * N4 + min(column, N4 - 1u), y); }

fn activated(z: vec4f) -> vec4f {
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
  if (K4 > 16u) { s = add_part(s, at, 16u); }
  if (K4 > 32u) { s = add_part(s, at, 32u); }
  if (K4 > 48u) { s = add_part(s, at, 48u); }
  let y0 = activated(s.c0);
  let y1 = activated(s.c1);
  let y2 = activated(s.c2);
  let y3 = activated(s.c3);
  // Each product comes right after the store of its vector: in one sum behind the stores they cost 0.5 ms more.
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

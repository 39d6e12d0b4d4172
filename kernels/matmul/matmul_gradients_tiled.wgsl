// matmul_gradients_tiled.wgsl - all gradients of a dense layer in one dispatch
//   input [M, K]   output_gradient [M, N]   weights [K, N]   input_gradient [M, K]
//   partials[chunk] = sum over a chunk's rows of input_m^T output_gradient_m, and of output_gradient_m (bias)
//   input_gradient  = output_gradient W^T  (times ELU'(input) with ELU: see matmul_input_gradient_tiled.wgsl)
//   with DOT, the next layer is row_dot_forward.wgsl (u = output . dot_weights + bias), and output_gradient
//   has the output: its gradient is row_gradient_m dot_weights (times ELU'(output_m) with DOT_ELU), where
//   row_gradient [M] is the gradient of u. The partial sums then also have those of row_dot_backward.wgsl:
//   row_gradient_m output_m, row_gradient_m second_input_m [4 SECOND4], and row_gradient_m (two biases)
//
// The products are independent. Launches take most of a small step's time, and one dispatch saves a launch
// per layer. With DOT it saves two, and the gradient of the output is neither written nor read.
//
// For          a GPU
// On a CPU adapter  two dispatches: matmul_weight_gradient_rows.wgsl, and matmul_input_gradient_panel.wgsl or
//              matmul_input_gradient_rows.wgsl
// Otherwise    two dispatches, if autotuning chooses another kernel for one of the two gradients
// Grid         16 (K / 64) x 16 ((N / 64) chunks + M / 64) invocations in workgroups of 16 x 16. With DOT
//              (N / 64 + SECOND4 / 16) chunks further workgroups, in rows of K / 64.
// Work split   a workgroup computes one of the two gradients. The first (N / 64) chunks along y own 64 x 64
//              weights and one chunk of the rows, as in matmul_weight_gradient_tiled.wgsl; the next own 64
//              rows x 64 columns of the input, as in matmul_input_gradient_tiled.wgsl. An invocation owns 4 x
//              4 numbers of either gradient, in registers. With DOT the last ones own 64 columns of one chunk
//              of the output or of second_input, as in row_dot_backward_group.wgsl.
// On a GPU     (reasoned) tiles, coalescing and banks are those of the two kernels.
//   Order      a chunk is a sum over M / chunks rows, a block of the input a sum over only N columns. The
//              long sums come first, so that the short sums fill the GPU while the last long sums end.
//   Branch     a workgroup's index decides which gradient it computes: no subgroup diverges, and both
//              branches may contain barriers. The kernel takes the registers of the branch that needs more.
//   Dot        the output is read where its gradient would be, and each number costs three multiplications
//              more: for 64 columns a fortieth of the products.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD; mi200 64, 4
// Cost         4 M K N flops, 4 (2 M K + M N + (1 + chunks) K N) bytes; with DOT 5 N + 8 SECOND4 flops and
//              4 N + 16 SECOND4 bytes per row more.      Accuracy   as the kernels named above
// Forward      matmul_forward_tiled.wgsl      Next   adam.wgsl

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const BIAS = true;
const ELU = true;
const RELU = false;  // ReLU replaces ELU (requires ELU = true); slope 0 where the output is 0
const ACCUMULATE = false;  // true: adds to the input gradient
const ACCUMULATE_WEIGHTS = false;
const DOT = false;  // true: the gradient of the output is a product, see above
const DOT_ELU = true;
const DOT_RELU = false;  // ReLU replaces ELU (requires DOT_ELU = true)
const SECOND4 = 0u;      // columns of second_input / 4

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

// Offsets in partials, in floats.
struct Places {
  chunk: u32,    // floats per chunk
  weights: u32,  // offset of the weights' sums within a chunk
  second: u32,   // offset of the sums for the second input
  bias: u32,
  second_bias: u32,
  dot: u32,      // offset of the sums for the output
  dot_bias: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read> row_gradient: array<f32>;
@group(0) @binding(6) var<storage, read> dot_weights: array<vec4f>;
@group(0) @binding(7) var<storage, read> second_input: array<vec4f>;
@group(0) @binding(8) var<uniform> places: Places;
@group(0) @binding(9) var<uniform> step: Step;

const COLUMN_BLOCKS = (N4 + 15u) / 16u;
const SUM_BLOCKS = COLUMN_BLOCKS + (SECOND4 + 15u) / 16u;

var<workgroup> tile: array<array<vec4f, 16>, 16>;           // input: 16 rows x 64 k; or weights: 16 n x 64 k
var<workgroup> gradient_tile: array<array<vec4f, 16>, 16>;  // 16 rows x 64 columns; or 64 rows x 16 n, packed

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE_WEIGHTS) { partials[at] += value; } else { partials[at] = value; }
}

// add_tile and the loads are those of matmul_weight_gradient_tiled.wgsl.
fn add_tile(before: mat4x4f, local: vec3u) -> mat4x4f {
  var c = before;
  for (var q = 0u; q < 16u; q++) {
    let a = tile[q][local.y];
    let g = gradient_tile[q][local.x];
    c += mat4x4f(g * a.x, g * a.y, g * a.z, g * a.w);
  }
  return c;
}

fn load_input(row: u32, k: u32) -> vec4f {
  return input[row * K4 + min(k, K4 - 1u)];
}

fn load_gradient(row: u32, column: u32) -> vec4f {
  return output_gradient[row * N4 + min(column, N4 - 1u)];
}

fn load_row_gradient(row: u32) -> f32 {
  if (DOT) { return row_gradient[row]; }
  return 0.0;
}

// Returns the gradient of the output from a result of load_gradient. du: the row's gradient; w: dot_weights.
fn gradient_of(loaded: vec4f, du: f32, w: vec4f) -> vec4f {
  if (!DOT) { return loaded; }
  var d = du * w;
  if (DOT_RELU) { d *= select(vec4f(0.0), vec4f(1.0), loaded > vec4f(0.0)); }
  if (DOT_ELU) { d *= select(loaded + 1.0, vec4f(1.0), loaded > vec4f(0.0)); }
  return d;
}

// block_k, block_column, k and column count vectors of four.
fn weight_gradient(block_k: u32, block_column: u32, chunk: u32, local: vec3u) {
  let k = block_k + local.y;
  let column = block_column + local.x;
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  let load_k = block_k + local.x;
  let last = max(end, 1u) - 1u;
  var c = mat4x4f();  // each column is one of the invocation's 4 k
  var b = vec4f(0.0);
  var row = min(first + local.y, last);
  var x = load_input(row, load_k);
  var d = load_gradient(row, column);
  var du = load_row_gradient(row);
  let w = dot_weights[min(column, N4 - 1u)];
  for (var base = first; base < end; base += 16u) {
    let inside = base + local.y < end;
    let g = select(vec4f(0.0), gradient_of(d, du, w), inside && column < N4);
    tile[local.y][local.x] = select(vec4f(0.0), x, inside && load_k < K4);
    gradient_tile[local.y][local.x] = g;
    b += g;
    workgroupBarrier();
    // The next 16 rows are loaded while the current rows are multiplied.
    row = min(base + 16u + local.y, last);
    x = load_input(row, load_k);
    d = load_gradient(row, column);
    du = load_row_gradient(row);
    c = add_tile(c, local);
    workgroupBarrier();
  }
  if (BIAS) {
    gradient_tile[local.y][local.x] = b;
    workgroupBarrier();
    for (var i = 1u; i < 16u; i++) { b += gradient_tile[i][local.x]; }
  }
  if (column >= N4) { return; }
  let at = chunk * (places.chunk / 4u) + column;
  if (k < K4) {
    for (var i = 0u; i < 4u; i++) { put(at + places.weights / 4u + (4u * k + i) * N4, c[i]); }
  }
  if (BIAS && k == 0u) { put(at + places.bias / 4u, b); }
}

fn gradient_of_input(block_k: u32, first_row: u32, local: vec3u) {
  let rows = step.size[M];
  let lane = local.y * 16u + local.x;
  let load_n = lane % 4u;
  let source = min(first_row + lane / 4u, rows - 1u);
  let weight_row = 4u * block_k + lane / 4u;
  let du = load_row_gradient(source);
  var c = mat4x4f();  // each column is one of the invocation's 4 rows
  for (var n = 0u; n < N4; n += 4u) {
    let inside = n + load_n < N4;
    let at = min(n + load_n, N4 - 1u);
    let g = gradient_of(output_gradient[source * N4 + at], du, dot_weights[at]);
    gradient_tile[local.y][local.x] = select(vec4f(0.0), g, inside);
    let turned = select(vec4f(0.0), weights[min(weight_row, 4u * K4 - 1u) * N4 + at], inside && weight_row < 4u * K4);
    for (var i = 0u; i < 4u; i++) { tile[4u * load_n + i][lane / 16u][(lane / 4u) % 4u] = turned[i]; }
    workgroupBarrier();
    for (var q = 0u; q < 4u; q++) {
      let n0 = 4u * q;
      c += mat4x4f(tile[n0][local.x], tile[n0 + 1u][local.x], tile[n0 + 2u][local.x], tile[n0 + 3u][local.x]) * mat4x4f(
        gradient_tile[local.y][q],
        gradient_tile[local.y][4u + q],
        gradient_tile[local.y][8u + q],
        gradient_tile[local.y][12u + q],
      );
    }
    workgroupBarrier();
  }
  let column = block_k + local.x;
  if (column >= K4) { return; }
  for (var i = 0u; i < 4u; i++) {
    let m = first_row + 4u * local.y + i;
    if (m >= rows) { return; }
    let at = m * K4 + column;
    var d = c[i];
    if (ELU) {
      let x = input[at];
      if (RELU) { d *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }
      d *= select(x + 1.0, vec4f(1.0), x > vec4f(0.0));
    }
    if (ACCUMULATE) { d += input_gradient[at]; }
    input_gradient[at] = d;
  }
}

// The sums of row_dot_backward_group.wgsl: sixteen rows at a time, one per local.y.
fn dot_gradient(block: u32, chunk: u32, local: vec3u) {
  let is_second = block >= COLUMN_BLOCKS;
  let vectors = select(N4, SECOND4, is_second);
  let own = 16u * select(block, block - COLUMN_BLOCKS, is_second) + local.x;  // vector of its input
  let column = min(own, vectors - 1u);
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  var weight_sum = vec4f(0.0);
  var bias_sum = 0.0;
  for (var base = first + local.y; base < end; base += 64u) {
    var x: array<vec4f, 4>;
    var du: array<f32, 4>;
    for (var i = 0u; i < 4u; i++) {
      let r = min(base + 16u * i, end - 1u);
      if (is_second) { x[i] = second_input[r * SECOND4 + column]; } else { x[i] = output_gradient[r * N4 + column]; }
      du[i] = select(0.0, row_gradient[r], base + 16u * i < end);
    }
    for (var i = 0u; i < 4u; i++) {
      weight_sum += du[i] * x[i];
      bias_sum += du[i];
    }
  }
  tile[local.y][local.x] = weight_sum;
  gradient_tile[local.y][local.x].x = bias_sum;
  workgroupBarrier();
  if (local.y > 0u || own >= vectors) { return; }
  for (var i = 1u; i < 16u; i++) {
    weight_sum += tile[i][local.x];
    bias_sum += gradient_tile[i][0].x;
  }
  let at = (chunk * places.chunk + select(places.dot, places.second, is_second)) / 4u + own;
  partials[at] = weight_sum;
  let bias = select(places.dot_bias, places.second_bias, is_second);
  if (own == 0u) { partials[(chunk * places.chunk + bias) / 4u].x = bias_sum; }
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_gradients_tiled(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let sums = COLUMN_BLOCKS * step.chunks;
  let blocks = (step.size[M] + 63u) / 64u;
  if (group.y < sums) {
    weight_gradient(16u * group.x, 16u * (group.y % COLUMN_BLOCKS), group.y / COLUMN_BLOCKS, local);
  } else if (group.y < sums + blocks) {
    gradient_of_input(16u * group.x, 64u * (group.y - sums), local);
  } else if (DOT) {
    let i = (group.y - sums - blocks) * ((K4 + 15u) / 16u) + group.x;
    if (i < SUM_BLOCKS * step.chunks) { dot_gradient(i % SUM_BLOCKS, i / SUM_BLOCKS, local); }
  }
}

// matmul_weight_gradient_tiled.wgsl - gradients of a dense layer's weights and bias
//
//   input [M, K]   output_gradient [M, N]
//   partials[chunk] = sum over the rows m of a chunk of input_m^T output_gradient_m, and of output_gradient_m (bias)
//   with GATHER, row m of the input is row index[m]
//   with SECOND_K4, the input is [input_m ; second_m]: an LSTM's product and its recurrent product have one output gradient
//
// For          a GPU
// Used where   where the input has no gradient, or two inputs have one output gradient (an LSTM). Otherwise   matmul_gradients_tiled.wgsl
// On a CPU adapter  matmul_weight_gradient_rows.wgsl
// Grid         16 (K / 64) (N / 64) x 16 chunks invocations in workgroups of 16 x 16.
// Work split   a workgroup of 16 x 16 owns 64 x 64 weights and one chunk of the rows; an invocation owns 4 x 4 weights, in
//              registers. The workgroup copies 16 rows of both operands into workgroup memory at a time.
// On a GPU     (reasoned) tile, reuse and occupancy as in matmul_forward_tiled.wgsl.
//   Chunks     the sum is long and the weights are few: 64 x 64 are a single workgroup. So the rows are split into up to 16
//              chunks, a workgroup each, and adam.wgsl adds up their partial sums in order: no atomics, the same bits every
//              time. A large GPU could use more chunks. Their number follows from the batch alone, never from the adapter.
//   Coalescing sixteen neighbours load 256 contiguous bytes of a row, of either operand.
//   Banks      sixteen neighbours read sixteen neighbouring vectors of gradient_tile, and all the same vector of input_tile: no
//              conflicts.
//   compiled: navi31 36 VGPRs, 32 subgroups per SIMD, and 350 vector operations in a turn of the loop for 256
//              multiply-adds (flat tiles: 442); mi200 36, 7 (32, 8)
// Cost         2 M K N flops, 4 (M K + M N + chunks K N) bytes.     Accuracy   a sum of M / chunks terms
// Forward      matmul_forward_tiled.wgsl      Next   adam.wgsl

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const SECOND_K4 = 0u;   // columns of the second input / 4; its rows are taken as they are
const BIAS = true;
const ACCUMULATE = false;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
}

// In floats of the partial sums.
struct Places {
  chunk: u32,    // from one chunk's sums to the next
  weights: u32,  // where those of the weights stand among a chunk's
  second: u32,   // those of the second input's weights
  bias: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> second: array<vec4f>;
@group(0) @binding(3) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<uniform> places: Places;
@group(0) @binding(6) var<uniform> step: Step;

const ALL_K4 = K4 + SECOND_K4;

var<workgroup> input_tile: array<array<vec4f, 16>, 16>;     // 16 rows x 64 k
var<workgroup> gradient_tile: array<array<vec4f, 16>, 16>;  // 16 rows x 64 columns

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { partials[at] += value; } else { partials[at] = value; }
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_weight_gradient_tiled(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  const COLUMN_BLOCKS = (N4 + 15u) / 16u;
  // In units of four: the block's first k and first column, then this invocation's.
  let block_k = (group.x / COLUMN_BLOCKS) * 16u;
  let block_column = (group.x % COLUMN_BLOCKS) * 16u;
  let k = block_k + local.y;
  let column = block_column + local.x;
  let chunk = group.y;
  if (block_k >= ALL_K4 || chunk >= step.chunks) { return; }
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  var c = mat4x4f();  // each column is one of the invocation's 4 k
  var b = vec4f(0.0);
  for (var base = first; base < end; base += 16u) {
    let m = base + local.y;
    var x = vec4f(0.0);
    var d = vec4f(0.0);
    if (m < end) {
      var source = m;
      if (GATHER) { source = index[m]; }
      let load_k = block_k + local.x;
      if (load_k < K4) { x = input[source * K4 + load_k]; }
      if (SECOND_K4 > 0u && load_k >= K4 && load_k < ALL_K4) { x = second[m * SECOND_K4 + (load_k - K4)]; }
      if (column < N4) { d = output_gradient[m * N4 + column]; }
    }
    input_tile[local.y][local.x] = x;
    gradient_tile[local.y][local.x] = d;
    workgroupBarrier();
    for (var q = 0u; q < 16u; q++) {
      let a = input_tile[q][local.y];
      let g = gradient_tile[q][local.x];
      c += mat4x4f(g * a.x, g * a.y, g * a.z, g * a.w);
      b += g;
    }
    workgroupBarrier();
  }
  if (column >= N4) { return; }
  let at = chunk * (places.chunk / 4u);
  if (k < ALL_K4) {
    var weights_at = places.weights / 4u + 4u * k * N4;
    if (SECOND_K4 > 0u && k >= K4) { weights_at = places.second / 4u + 4u * (k - K4) * N4; }
    for (var i = 0u; i < 4u; i++) { put(at + weights_at + i * N4 + column, c[i]); }
  }
  if (BIAS && k == 0u) { put(at + places.bias / 4u + column, b); }
}

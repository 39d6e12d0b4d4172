// matmul_weight_gradient_tiled.wgsl - gradients of a dense layer's weights and bias
//   input [M, K]   output_gradient [M, N]
//   partials[chunk] = sum over a chunk's rows of input_m^T output_gradient_m, and of output_gradient_m (bias)
//   with GATHER, row m of the input is row index[m]
//   with SECOND_K4, the input is [input_m ; second_m]: an LSTM's input and state share one output gradient
//   with VECTORS also the sums of outcome_sum.wgsl, for the backward pass of a loss:
//   outcome [E, VECTORS]   from choice_nll.wgsl, minimax.wgsl, exact_minimax.wgsl
//   ring [., VECTORS]      sums over the batch; the host divides them by the number of pages
// For          a GPU
// Used where   the input has no gradient, or two inputs have one output gradient (an LSTM). Otherwise
//              matmul_gradients_tiled.wgsl
// On a CPU adapter  matmul_weight_gradient_rows.wgsl
// Grid         16 (K / 64) (N / 64) x 16 chunks invocations in workgroups of 16 x 16; with VECTORS one more
//              row of workgroups.
// Work split   a workgroup of 16 x 16 owns 64 x 64 weights and one chunk of the rows; an invocation owns 4 x
//              4 weights, in registers. The workgroup copies 16 rows of both operands into workgroup memory
//              at a time. Each invocation adds up its copies of the output gradient; after the last rows
//              these sums are added up for the bias.
// On a GPU     (reasoned) tile, reuse and occupancy as in matmul_forward_tiled.wgsl.
//   Chunks     the sum is long and the weights are few: 64 x 64 weights are a single workgroup. So the rows
//              are split into up to 128 chunks of 64 rows or more, one workgroup each, and adam.wgsl adds up
//              their partial sums in order: no atomics, the same bits in every run. The batch and the model's
//              weights determine the number of chunks.
//   Waits      few workgroups share a core, so none hides another's waits. The next 16 rows are loaded while
//              the current rows are multiplied. The loop over rows is in a separate function: naga's check
//              that a loop ends would otherwise leave a branch after each row, and each row's two vectors
//              would wait separately.
//   Coalescing sixteen neighbours load 256 contiguous bytes of a row, of either operand.
//   Banks      sixteen neighbours read sixteen neighbouring vectors of gradient_tile, and the same vector of
//              input_tile: no conflicts.
//   Outcomes   no later kernel of the step reads these sums, so any dispatch after the loss can compute them.
//              A separate dispatch would be a launch for one workgroup. Here it is one more workgroup, and no
//              subgroup diverges: invocation i adds up events i, i + 256, ...; then 64 invocations add up
//              four sums each, then 16, four and one, in order: the same bits in every run.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD, and 322 vector operations in a turn of the loop for 256
//              multiply-adds (loads in branches, the bias added row by row: 36, 32, 356); mi200 48, 5 (36, 7)
// Cost         2 M K N flops, 4 (M K + M N + chunks K N) bytes.      Accuracy   a sum of M / chunks terms
// Forward      matmul_forward_tiled.wgsl      Next   adam.wgsl

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const SECOND_K4 = 0u;   // columns of the second input / 4; the second input has no index
const BIAS = true;
const ACCUMULATE = false;
const VECTORS = 0u;  // number of vectors (four sums each) per event; 0 without these sums
const EVENTS = 1u;   // step.size[EVENTS] is the number of events

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  unread: u32,           // a field that this kernel does not read
  slot: u32,             // slot of the ring buffer that receives the batch's results
  chunks: u32,           // number of partial sums of each weight gradient
}

// Offsets in partials, in floats.
struct Places {
  chunk: u32,    // floats per chunk
  weights: u32,  // offset of the weights' sums within a chunk
  second: u32,   // offset of the sums of the second input's weights
  bias: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> second: array<vec4f>;
@group(0) @binding(3) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(7) var<uniform> places: Places;
@group(0) @binding(8) var<uniform> step: Step;

const ALL_K4 = K4 + SECOND_K4;

var<workgroup> input_tile: array<array<vec4f, 16>, 16>;     // 16 rows x 64 k
var<workgroup> gradient_tile: array<array<vec4f, 16>, 16>;  // 16 rows x 64 columns

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { partials[at] += value; } else { partials[at] = value; }
}

fn add_tile(before: mat4x4f, local: vec3u) -> mat4x4f {
  var c = before;
  for (var q = 0u; q < 16u; q++) {
    let a = input_tile[q][local.y];
    let g = gradient_tile[q][local.x];
    c += mat4x4f(g * a.x, g * a.y, g * a.z, g * a.w);
  }
  return c;
}

// Indices are clamped: loads in branches would wait for each other. Numbers from outside of the matrices are
// not used.
fn load_input(row: u32, k: u32) -> vec4f {
  var source = row;
  if (GATHER) { source = index[row]; }
  return input[source * K4 + min(k, K4 - 1u)];
}

fn load_second(row: u32, k: u32) -> vec4f {
  if (SECOND_K4 == 0u) { return vec4f(0.0); }
  return second[row * SECOND_K4 + min(max(k, K4) - K4, max(SECOND_K4, 1u) - 1u)];
}

fn load_gradient(row: u32, column: u32) -> vec4f {
  return output_gradient[row * N4 + min(column, N4 - 1u)];
}

fn add_up(vector: u32, local: vec3u) {
  let i = local.y * 16u + local.x;
  var sum = vec4f(0.0);
  for (var e = i; e < step.size[EVENTS]; e += 256u) { sum += outcome[e * VECTORS + vector]; }
  input_tile[local.y][local.x] = sum;
  workgroupBarrier();
  for (var width = 64u; width > 0u; width /= 4u) {
    if (i < width) {
      for (var k = 1u; k < 4u; k++) { sum += input_tile[(i + k * width) / 16u][(i + k * width) % 16u]; }
      input_tile[local.y][local.x] = sum;
    }
    workgroupBarrier();
  }
  if (i == 0u) { ring[step.slot * VECTORS + vector] = sum; }
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_weight_gradient_tiled(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  const COLUMN_BLOCKS = (N4 + 15u) / 16u;
  // In vectors of four: the block's first k and first column, then this invocation's k and column.
  let block_k = (group.x / COLUMN_BLOCKS) * 16u;
  let block_column = (group.x % COLUMN_BLOCKS) * 16u;
  let k = block_k + local.y;
  let column = block_column + local.x;
  let chunk = group.y;
  if (VECTORS > 0u && group.x == 0u && chunk == step.chunks) {
    for (var v = 0u; v < VECTORS; v++) { add_up(v, local); }
    return;
  }
  if (block_k >= ALL_K4 || chunk >= step.chunks) { return; }
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
  var y = load_second(row, load_k);
  var d = load_gradient(row, column);
  for (var base = first; base < end; base += 16u) {
    let inside = base + local.y < end;
    let g = select(vec4f(0.0), d, inside && column < N4);
    input_tile[local.y][local.x] = select(vec4f(0.0), select(x, y, load_k >= K4), inside && load_k < ALL_K4);
    gradient_tile[local.y][local.x] = g;
    b += g;
    workgroupBarrier();
    // The next 16 rows are loaded while the current rows are multiplied.
    row = min(base + 16u + local.y, last);
    x = load_input(row, load_k);
    y = load_second(row, load_k);
    d = load_gradient(row, column);
    c = add_tile(c, local);
    workgroupBarrier();
  }
  if (BIAS) {
    gradient_tile[local.y][local.x] = b;
    workgroupBarrier();
    for (var i = 1u; i < 16u; i++) { b += gradient_tile[i][local.x]; }
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

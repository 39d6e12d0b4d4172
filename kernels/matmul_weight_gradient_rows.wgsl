// matmul_weight_gradient_rows.wgsl - gradients of a dense layer's weights and bias, for a CPU adapter
//
//   input [M, K]   output_gradient [M, N]
//   partials[chunk] = sum over the rows m of a chunk of input_m^T output_gradient_m, and of output_gradient_m (bias)
//   with GATHER, row m of the input is row index[m]
//   with SECOND_K4, the input is [input_m ; second_m]: an LSTM's product and its recurrent product have one output gradient
//
// Work split   one invocation owns 8 x 16 weights in registers and walks along one chunk of rows (x: block of weights,
//              y: chunk): a row costs 6 vector loads for 256 flops. Lanes of a workgroup own different blocks of the
//              same chunk, so they find the same rows in cache.
// Cost         2 M K N flops, 4 (M K + M N + chunks K N) bytes.     Forward   matmul_forward_rows.wgsl
// On llvmpipe  two cores, 6,840 x 64 x 64: 28-31 GFLOP/s; matmul_weight_gradient_tiled 8
// Next         adam.wgsl

const WORKGROUP = 8;
const M = 2u;    // which of step.size counts the rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const SECOND_K4 = 0u;   // columns of the second input / 4; its rows are taken as they stand
const BIAS = true;
const ACCUMULATE = false;
const PARTIALS = 0u;    // f32 from one chunk's partial sums to the next
const WEIGHTS_AT = 0u;  // where the weights stand among them
const SECOND_AT = 0u;   // those of the second input
const BIAS_AT = 0u;

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
@group(0) @binding(2) var<storage, read> second: array<vec4f>;
@group(0) @binding(3) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

const ALL_K4 = K4 + SECOND_K4;

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { partials[at] += value; } else { partials[at] = value; }
}

// Four columns of row m of the input, which is row `row` of the first one. Those past the end are never written.
fn load(m: u32, row: u32, k4: u32) -> vec4f {
  if (SECOND_K4 > 0u && k4 >= K4) { return second[m * SECOND_K4 + (k4 - K4)]; }
  return input[row * K4 + k4];
}

fn store_row(chunk: u32, k: u32, column: u32, z0: vec4f, z1: vec4f, z2: vec4f, z3: vec4f) {
  if (k >= 4u * ALL_K4) { return; }
  var weights_at = WEIGHTS_AT / 4u + k * N4;
  if (SECOND_K4 > 0u && k >= 4u * K4) { weights_at = SECOND_AT / 4u + (k - 4u * K4) * N4; }
  let at = chunk * (PARTIALS / 4u) + weights_at + column;
  put(at, z0);
  if (column + 1u < N4) { put(at + 1u, z1); }
  if (column + 2u < N4) { put(at + 2u, z2); }
  if (column + 3u < N4) { put(at + 3u, z3); }
}

@compute @workgroup_size(WORKGROUP)
fn matmul_weight_gradient_rows(@builtin(global_invocation_id) id: vec3u) {
  const COLUMN_BLOCKS = (N4 + 3u) / 4u;
  let k = (id.x / COLUMN_BLOCKS) * 8u;
  let column = (id.x % COLUMN_BLOCKS) * 4u;
  let chunk = id.y;
  if (k >= 4u * ALL_K4) { return; }
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  // cXj: weights k + 4X .. k + 4X + 3 (one a column of the matrix), output columns 4j .. 4j+3
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c02 = mat4x4f();
  var c03 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  var c12 = mat4x4f();
  var c13 = mat4x4f();
  var b0 = vec4f(0.0);
  var b1 = vec4f(0.0);
  var b2 = vec4f(0.0);
  var b3 = vec4f(0.0);
  for (var m = first; m < end; m++) {
    var row = m;
    if (GATHER) { row = index[m]; }
    let a0 = load(m, row, k / 4u);
    let a1 = load(m, row, k / 4u + 1u);
    let at = m * N4 + column;
    let d0 = output_gradient[at];
    let d1 = output_gradient[at + 1u];
    let d2 = output_gradient[at + 2u];
    let d3 = output_gradient[at + 3u];
    c00 += mat4x4f(d0 * a0.x, d0 * a0.y, d0 * a0.z, d0 * a0.w);
    c01 += mat4x4f(d1 * a0.x, d1 * a0.y, d1 * a0.z, d1 * a0.w);
    c02 += mat4x4f(d2 * a0.x, d2 * a0.y, d2 * a0.z, d2 * a0.w);
    c03 += mat4x4f(d3 * a0.x, d3 * a0.y, d3 * a0.z, d3 * a0.w);
    c10 += mat4x4f(d0 * a1.x, d0 * a1.y, d0 * a1.z, d0 * a1.w);
    c11 += mat4x4f(d1 * a1.x, d1 * a1.y, d1 * a1.z, d1 * a1.w);
    c12 += mat4x4f(d2 * a1.x, d2 * a1.y, d2 * a1.z, d2 * a1.w);
    c13 += mat4x4f(d3 * a1.x, d3 * a1.y, d3 * a1.z, d3 * a1.w);
    if (BIAS) {
      b0 += d0;
      b1 += d1;
      b2 += d2;
      b3 += d3;
    }
  }
  store_row(chunk, k, column, c00[0], c01[0], c02[0], c03[0]);
  store_row(chunk, k + 1u, column, c00[1], c01[1], c02[1], c03[1]);
  store_row(chunk, k + 2u, column, c00[2], c01[2], c02[2], c03[2]);
  store_row(chunk, k + 3u, column, c00[3], c01[3], c02[3], c03[3]);
  store_row(chunk, k + 4u, column, c10[0], c11[0], c12[0], c13[0]);
  store_row(chunk, k + 5u, column, c10[1], c11[1], c12[1], c13[1]);
  store_row(chunk, k + 6u, column, c10[2], c11[2], c12[2], c13[2]);
  store_row(chunk, k + 7u, column, c10[3], c11[3], c12[3], c13[3]);
  if (BIAS && k == 0u) {
    let at = chunk * (PARTIALS / 4u) + BIAS_AT / 4u + column;
    put(at, b0);
    if (column + 1u < N4) { put(at + 1u, b1); }
    if (column + 2u < N4) { put(at + 2u, b2); }
    if (column + 3u < N4) { put(at + 3u, b3); }
  }
}

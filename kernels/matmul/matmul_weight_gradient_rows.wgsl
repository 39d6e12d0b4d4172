// matmul_weight_gradient_rows.wgsl - gradients of a dense layer's weights and bias
//   input [M, K]   output_gradient [M, N]
//   partials[chunk] = sum over a chunk's rows of input_m^T output_gradient_m, and of output_gradient_m (bias)
//   with GATHER, row m of the input is row index[m]
//   with SECOND_K4, the input is [input_m ; second_m]: an LSTM's input and state share one output gradient
// For          a CPU adapter      On a GPU   matmul_weight_gradient_tiled.wgsl, matmul_gradients_tiled.wgsl
// Grid         chunks (K / 8) (N / 16) invocations in workgroups of 8.
// Work split   one invocation owns 8 x 16 weights and loops over one chunk of rows, four rows at a time: 24
//              vector loads for 1,024 flops. A chunk's blocks are neighbours, so they find its rows in cache.
//              If a chunk has fewer than eight blocks, other chunks fill the workgroup: otherwise lanes would
//              idle, for example with eight inputs and 64 columns.
// On llvmpipe  both operands are read from textures. The input is stored in panels of 16 columns
//              (src/gpu/memory.ts): eight lanes read 64 bytes of each row. Why four rows at a time, and not
//              16 x 16 weights: measurements in bench/ladder.md
// Cost         2 M K N flops, 4 (M K + M N + chunks K N) bytes.      Accuracy   a sum of M / chunks terms
// Forward      matmul_forward_panel.wgsl, matmul_forward_rows.wgsl      Next   adam.wgsl

const WORKGROUP = 8;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const GATHER = false;
const SECOND_K4 = 0u;   // columns of the second input / 4; the second input has no index
const BIAS = true;
const ACCUMULATE = false;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
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
@group(0) @binding(5) var<uniform> places: Places;
@group(0) @binding(6) var<uniform> step: Step;

fn load_second(i: u32) -> vec4f { return second[i]; }
fn load_output_gradient(i: u32) -> vec4f { return output_gradient[i]; }
fn load_input(i: u32) -> vec4f { return input[i]; }

const ALL_K4 = K4 + SECOND_K4;

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { partials[at] += value; } else { partials[at] = value; }
}

// Returns four columns of the input's row m; past the last row, of the last row: memory behind it may be NaN.
fn load(m: u32, last: u32, k4: u32) -> vec4f {
  var row = min(m, last);
  if (SECOND_K4 > 0u && k4 >= K4) { return load_second(row * SECOND_K4 + min(k4 - K4, SECOND_K4 - 1u)); }
  if (GATHER) { row = index[row]; }
  return load_input(row * K4 + min(k4, K4 - 1u));
}

// Returns four columns of row m of the output gradient; 0 past the last row.
fn load_gradient(m: u32, last: u32, column: u32) -> vec4f {
  return select(vec4f(0.0), load_output_gradient(min(m, last) * N4 + column), m <= last);
}
fn gradients(m: u32, last: u32, column: u32) -> mat4x4f {
  let at = min(column, N4 - 1u);
  return mat4x4f(
    load_gradient(m, last, at),
    load_gradient(m + 1u, last, at),
    load_gradient(m + 2u, last, at),
    load_gradient(m + 3u, last, at),
  );
}

@compute @workgroup_size(WORKGROUP)
fn matmul_weight_gradient_rows(@builtin(global_invocation_id) id: vec3u) {
  const COLUMN_BLOCKS = (N4 + 3u) / 4u;
  const BLOCKS = ((ALL_K4 + 1u) / 2u) * COLUMN_BLOCKS;
  let block = id.x % BLOCKS;
  let k = (block / COLUMN_BLOCKS) * 8u;
  let column = (block % COLUMN_BLOCKS) * 4u;
  let chunk = id.x / BLOCKS;
  if (chunk >= step.chunks) { return; }
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  // cXj: rows k + 4X .. k + 4X + 3 of the weights, one in each matrix column; output columns 4j .. 4j+3
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
  // Four rows at a time: their products are added up in registers, then added to the accumulator, which
  // llvmpipe keeps in memory. All loads come before the first product, as in matmul_forward_panel.wgsl.
  let last = max(end, 1u) - 1u;
  for (var m = first; m < end; m += 4u) {
    let x0 = load(m, last, k / 4u);
    let x1 = load(m + 1u, last, k / 4u);
    let x2 = load(m + 2u, last, k / 4u);
    let x3 = load(m + 3u, last, k / 4u);
    let y0 = load(m, last, k / 4u + 1u);
    let y1 = load(m + 1u, last, k / 4u + 1u);
    let y2 = load(m + 2u, last, k / 4u + 1u);
    let y3 = load(m + 3u, last, k / 4u + 1u);
    let d0 = gradients(m, last, column);
    let d1 = gradients(m, last, column + 1u);
    let d2 = gradients(m, last, column + 2u);
    let d3 = gradients(m, last, column + 3u);
    let a0 = transpose(mat4x4f(x0, x1, x2, x3));
    let a1 = transpose(mat4x4f(y0, y1, y2, y3));
    c00 += d0 * a0;
    c01 += d1 * a0;
    c02 += d2 * a0;
    c03 += d3 * a0;
    c10 += d0 * a1;
    c11 += d1 * a1;
    c12 += d2 * a1;
    c13 += d3 * a1;
    if (BIAS) {
      b0 += (d0[0] + d0[1]) + (d0[2] + d0[3]);
      b1 += (d1[0] + d1[1]) + (d1[2] + d1[3]);
      b2 += (d2[0] + d2[1]) + (d2[2] + d2[3]);
      b3 += (d3[0] + d3[1]) + (d3[2] + d3[3]);
    }
  }
  // Stored in a loop: 36 unrolled stores of eight lanes would be most of what llvmpipe compiles, and
  // compiling would take up to seven times as long. The loop slows the kernel by up to a tenth.
  let sums = array<vec4f, 36>(
    c00[0], c01[0], c02[0], c03[0],
    c00[1], c01[1], c02[1], c03[1],
    c00[2], c01[2], c02[2], c03[2],
    c00[3], c01[3], c02[3], c03[3],
    c10[0], c11[0], c12[0], c13[0],
    c10[1], c11[1], c12[1], c13[1],
    c10[2], c11[2], c12[2], c13[2],
    c10[3], c11[3], c12[3], c13[3],
    b0, b1, b2, b3,
  );
  for (var i = 0u; i < 36u; i++) {
    let row = k + i / 4u;
    let own = column + i % 4u;
    let bias = i >= 32u;
    let there = select(row < 4u * ALL_K4, BIAS && k == 0u, bias);
    if (own < N4 && there) {
      var at = places.weights / 4u + row * N4;
      if (SECOND_K4 > 0u && row >= 4u * K4) { at = places.second / 4u + (row - 4u * K4) * N4; }
      if (bias) { at = places.bias / 4u; }
      put(chunk * (places.chunk / 4u) + at + own, sums[i]);
    }
  }
}

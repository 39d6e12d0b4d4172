// matmul_forward_tiled.wgsl - a dense layer
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]     M: users, events, rows or items of the batch
//   output = act(input W + bias);   with GATHER, row m of the input is row index[m]
//   with DOT, of up to 64 columns, also dots [M, 4]: (output_m . dot_weights, 0, 0, 0), for row_dot_forward
// For          a GPU
// On a CPU adapter  matmul_forward_panel.wgsl, matmul_forward_rows.wgsl (more than 256 inputs, SwiftShader)
// Grid         16 (N / 64) x M / 4 invocations in workgroups of 16 x 16.
// Work split   a workgroup of 16 x 16 owns 64 rows x 64 columns; an invocation owns 4 x 4 of them, in
//              registers. The workgroup copies 16 k of both operands into workgroup memory at a time.
// On a GPU     (reasoned)
//   Reuse      a value in a tile serves 64 products, and a vector that an invocation reads there serves 16.
//   Coalescing four neighbours load 64 contiguous bytes of a row of the input; sixteen neighbours load 256
//              contiguous bytes of a row of W.
//   Banks      sixteen neighbours read sixteen neighbouring vectors of weight_tile, and the same vector of
//              input_tile, a broadcast. The next sixteen read a vector 256 bytes further, in the same banks:
//              a subgroup of 32 needs a second turn.
//   Tile       WebGPU guarantees workgroups of at most 256 invocations. With 4 x 4 outputs each they compute
//              64 x 64, and two vectors from the tiles serve 16 products. 8 x 8 would halve the reads, but
//              take 64 accumulators and tiles of 128 x 128, which layers of 64 columns leave half empty. 16 k
//              are 64 bytes of a row: whole sectors.
//   Occupancy  8 KiB of workgroup memory and 16 accumulators allow several workgroups per core. While one
//              waits for memory or at a barrier, another computes.
//   Grid       25,600 x 64 x 64 are 400 workgroups. With few rows a large GPU is half idle.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD, and 274 vector operations in a turn of the loop for 256
//              multiply-adds (flat tiles: 368; workgroups that do not end early: 72, 20); mi200 64, 4
// On llvmpipe  barriers are expensive, and a tile that is read in a loop gains nothing: bench/ladder.md
// Cost         2 M K N flops, 4 (M K + K N + M N) bytes.      Accuracy   K roundings of the running sum
// Backward     matmul_gradients_tiled.wgsl, matmul_input_gradient_tiled.wgsl,
//              matmul_weight_gradient_tiled.wgsl

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
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
@group(0) @binding(6) var<storage, read_write> dots: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

var<workgroup> input_tile: array<array<vec4f, 16>, 16>;   // 64 rows x 16 k, four rows per tile row
var<workgroup> weight_tile: array<array<vec4f, 16>, 16>;  // 16 k x 64 columns

// NaN and infinity are passed on, detected by exponent bits: min and exp may make ordinary numbers of them.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_forward_tiled(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
) {
  let rows = step.size[M];
  if (group.y * 64u >= rows || group.x * 16u >= N4) { return; }
  // Each invocation loads one vector of each tile.
  let lane = local.y * 16u + local.x;
  let load_row = lane / 4u;
  let load_k = lane % 4u;
  var source = min(group.y * 64u + load_row, rows - 1u);
  if (GATHER) { source = index[source]; }
  var c = mat4x4f();  // each column is one of the invocation's 4 rows
  for (var k = 0u; k < K4; k += 4u) {
    let inside = k + load_k < K4;
    input_tile[local.y][local.x] = select(vec4f(0.0), input[source * K4 + min(k + load_k, K4 - 1u)], inside);
    let weight_row = 4u * k + local.y;
    let weight_inside = weight_row < 4u * K4 && id.x < N4;
    weight_tile[local.y][local.x] =
      select(vec4f(0.0), weights[min(weight_row, 4u * K4 - 1u) * N4 + min(id.x, N4 - 1u)], weight_inside);
    workgroupBarrier();
    for (var q = 0u; q < 4u; q++) {
      let w = mat4x4f(
        weight_tile[4u * q][local.x],
        weight_tile[4u * q + 1u][local.x],
        weight_tile[4u * q + 2u][local.x],
        weight_tile[4u * q + 3u][local.x],
      );
      c += w * mat4x4f(
        input_tile[local.y][q],
        input_tile[local.y][4u + q],
        input_tile[local.y][8u + q],
        input_tile[local.y][12u + q],
      );
    }
    workgroupBarrier();
  }
  var t = vec4f(0.0);  // the invocation's part of each row's dot product
  for (var i = 0u; i < 4u; i++) {
    let m = 4u * id.y + i;
    if (id.x >= N4 || m >= rows) { break; }
    var y = c[i];
    if (BIAS) { y += bias[id.x]; }
    if (RELU) { y = select(vec4f(0.0), y, (y > vec4f(0.0)) | broken(y)); }
    if (ELU) { y = select(exp(min(y, vec4f(0.0))) - 1.0, y, (y > vec4f(0.0)) | broken(y)); }
    output[m * N4 + id.x] = y;
    if (DOT) { t[i] = dot(y, dot_weights[id.x]); }
  }
  if (DOT) {
    input_tile[local.y][local.x] = t;
    workgroupBarrier();
    if (local.x > 0u) { return; }
    for (var k = 1u; k < 16u; k++) { t += input_tile[local.y][k]; }
    for (var i = 0u; i < 4u; i++) {
      if (4u * id.y + i < rows) { dots[4u * id.y + i] = vec4f(t[i], 0.0, 0.0, 0.0); }
    }
  }
}

// matmul_input_gradient_tiled.wgsl - gradient of a dense layer's input
//   output_gradient [M, N]   weights [K, N]   input [M, K]   input_gradient [M, K]
//   input_gradient = output_gradient W^T      (times ELU'(input) with ELU)
//
// With ELU the input is ELU(z), and ELU'(z) follows from the input: 1 for z > 0, else input + 1. The result
// is then the gradient of z, so the previous layer's activation needs no separate pass.
//
// For          a GPU
// Used where   autotuning chooses another kernel for the weights' gradient. Otherwise
//              matmul_gradients_tiled.wgsl
// On a CPU adapter  matmul_input_gradient_panel.wgsl; matmul_input_gradient_rows.wgsl (N > 256, SwiftShader)
// Grid         16 (K / 64) x M / 4 invocations in workgroups of 16 x 16.
// Work split   a workgroup of 16 x 16 owns 64 rows x 64 columns of the input; an invocation owns 4 x 4 of
//              them, in registers. The workgroup copies 16 n of both operands into workgroup memory at a
//              time, and transposes W meanwhile.
// On a GPU     (reasoned) tile, reuse, occupancy and grid as in matmul_forward_tiled.wgsl.
//   Coalescing four neighbours load 64 contiguous bytes of a row of either operand. Read along its columns, W
//              would cost a cache line per invocation.
//   Banks      sixteen neighbours read sixteen neighbouring vectors of weight_tile, and the same vector of
//              gradient_tile, a broadcast. Storing W transposed takes four words instead of a vector; four
//              invocations hit the same banks. Without the transposition the vectors read are 256 bytes
//              apart: 7.06 extra turns per access instead of 0.76.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD, and 293 vector operations in a turn of the loop for 256
//              multiply-adds (W not transposed: 272; flat tiles: 366; workgroups that do not end early: 72,
//              20); mi200 64, 4
// Cost         2 M K N flops, 4 (M N + K N + 2 M K) bytes.      Accuracy   N roundings of the running sum
// Forward      matmul_forward_tiled.wgsl

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const M = 2u;    // step.size[M] is the number of rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4
const ELU = true;
const RELU = false;  // ReLU replaces ELU (requires ELU = true); slope 0 where the output is 0
const ACCUMULATE = false;

struct Step { size: vec4u }  // sizes of the batch

@group(0) @binding(0) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> input: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> gradient_tile: array<array<vec4f, 16>, 16>;  // 64 rows x 16 n, four rows per tile row
var<workgroup> weight_tile: array<array<vec4f, 16>, 16>;    // 16 n x 64 k

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_input_gradient_tiled(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
) {
  let rows = step.size[M];
  if (group.y * 64u >= rows || group.x * 16u >= K4) { return; }
  let lane = local.y * 16u + local.x;
  let load_row = lane / 4u;
  let load_n = lane % 4u;
  let source = min(group.y * 64u + load_row, rows - 1u);
  let weight_row = group.x * 64u + load_row;
  var c = mat4x4f();  // each column is one of the invocation's 4 rows
  for (var n = 0u; n < N4; n += 4u) {
    let inside = n + load_n < N4;
    let at = min(n + load_n, N4 - 1u);
    gradient_tile[local.y][local.x] = select(vec4f(0.0), output_gradient[source * N4 + at], inside);
    let turned = select(vec4f(0.0), weights[min(weight_row, 4u * K4 - 1u) * N4 + at], inside && weight_row < 4u * K4);
    for (var i = 0u; i < 4u; i++) { weight_tile[4u * load_n + i][load_row / 4u][load_row % 4u] = turned[i]; }
    workgroupBarrier();
    for (var q = 0u; q < 4u; q++) {
      let w = mat4x4f(
        weight_tile[4u * q][local.x],
        weight_tile[4u * q + 1u][local.x],
        weight_tile[4u * q + 2u][local.x],
        weight_tile[4u * q + 3u][local.x],
      );
      c += w * mat4x4f(
        gradient_tile[local.y][q],
        gradient_tile[local.y][4u + q],
        gradient_tile[local.y][8u + q],
        gradient_tile[local.y][12u + q],
      );
    }
    workgroupBarrier();
  }
  if (id.x >= K4) { return; }
  for (var i = 0u; i < 4u; i++) {
    let m = 4u * id.y + i;
    if (m >= rows) { return; }
    let at = m * K4 + id.x;
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

// matmul_forward_2_tile.wgsl - a dense layer, with the tiles of the textbooks
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]      output = ELU(input W + bias)
// Grid         N x M invocations in workgroups of 16 x 16.
// Idea         a workgroup of 16 x 16 owns 16 x 16 numbers of the output. It copies 16 x 16 numbers of each
//              operand into workgroup memory, and reads each of them 16 times there: 16 times fewer loads
//              from storage.
// On a GPU     (reasoned) the classic first step: workgroup memory is on the chip, and a barrier costs tens
//              of cycles.
// On llvmpipe  slower. Workgroup memory is ordinary memory, as near as the cache; a load from it only saves
//              the bounds check. And a barrier makes a coroutine of every 8 invocations, whose registers are
//              saved and restored each time: 8 barriers here for 64 k.

const WORKGROUP = 16;    // columns
const WORKGROUP_Y = 16;  // rows
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> output: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> input_tile: array<array<f32, 16>, 16>;   // rows x k
var<workgroup> weight_tile: array<array<f32, 16>, 16>;  // k x columns

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_forward_2_tile(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  let rows = step.size.z;
  var z = 0.0;
  for (var k = 0u; k < K; k += 16u) {
    let input_k = k + local.x;
    let weight_k = k + local.y;
    // Outside of the matrices the tiles contain 0. No invocation may return before the last barrier.
    input_tile[local.y][local.x] = 0.0;
    weight_tile[local.y][local.x] = 0.0;
    if (id.y < rows && input_k < K) { input_tile[local.y][local.x] = input[id.y * K + input_k]; }
    if (weight_k < K && id.x < N) { weight_tile[local.y][local.x] = weights[weight_k * N + id.x]; }
    workgroupBarrier();
    for (var q = 0u; q < 16u; q++) { z += input_tile[local.y][q] * weight_tile[q][local.x]; }
    workgroupBarrier();
  }
  if (id.x >= N || id.y >= rows) { return; }
  z += bias[id.x];
  output[id.y * N + id.x] = select(exp(min(z, 0.0)) - 1.0, z, z > 0.0);
}

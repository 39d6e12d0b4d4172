// registers.wgsl - exercise: half the registers      (read kernels/course/13-machine-code.md)
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]        output = ELU(input W + bias)
//   Rows are padded to whole vectors of four with zeros: K = 4 K4, N = 4 N4.
//
// Your task    the shipped tile takes 60 vector registers per lane on navi31, for 4 x 4 outputs. Here an
//              invocation has 2 x 4 outputs. Add up the tile's products in at most 36 registers: deno task
//              exercise registers --gpu navi31
// Then         compare the reads of workgroup memory per multiply-add, and the number of subgroups per SIMD.
// Rules        kernels/README.md, "The exercises". Letters of the grid: M, K4, N4, for example "N4, M / 4".
// grid: 16 (N4 / 16), M / 2

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const K4 = 16u;
const N4 = 16u;

struct Step { size: vec4u }  // z: M

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

var<workgroup> input_tile: array<array<vec4f, 4>, 32>;   // 32 rows, 16 k
var<workgroup> weight_tile: array<array<vec4f, 16>, 16>;  // 16 k, 64 columns

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn registers(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(workgroup_id) group: vec3u,
) {
  let rows = step.size.z;
  let lane = local.y * 16u + local.x;
  var c: array<vec4f, 2>;  // the invocation's two rows, four columns each
  for (var k = 0u; k < K4; k += 4u) {
    if (lane < 128u) {
      let m = min(group.y * 32u + lane / 4u, rows - 1u);
      let at = k + lane % 4u;
      input_tile[lane / 4u][lane % 4u] = select(vec4f(0.0), input[m * K4 + min(at, K4 - 1u)], at < K4);
    }
    let row = 4u * k + local.y;
    let inside = row < 4u * K4 && id.x < N4;
    weight_tile[local.y][local.x] =
      select(vec4f(0.0), weights[min(row, 4u * K4 - 1u) * N4 + min(id.x, N4 - 1u)], inside);
    workgroupBarrier();
    // YOUR CODE: c[i] += row 2 local.y + i of input_tile times column local.x of weight_tile, over 16 k.
    workgroupBarrier();
  }
  if (id.x >= N4) { return; }
  for (var i = 0u; i < 2u; i++) {
    let m = 2u * id.y + i;
    if (m >= rows) { return; }
    let y = c[i] + bias[id.x];
    output[m * N4 + id.x] = select(exp(min(y, vec4f(0.0))) - 1.0, y, y > vec4f(0.0));
  }
}

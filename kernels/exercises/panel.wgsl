// panel.wgsl - exercise: a dense layer for a CPU driver      (read kernels/course/12-cpu-driver.md)
//   input [M, K]  weights [K, N]  bias [N]  output [M, N]  output = ELU(input W + bias), as in matmul.wgsl
//   Rows are padded to whole vectors of four with zeros: K = 4 K4, N = 4 N4.
//   A workgroup owns 128 rows x 16 columns, an invocation one row. First the workgroup copies its panel of
//     the weights, 16 columns [K, 16], to workgroup memory. K is at most 64.
//
// Your task    copy the panel, and compute the 16 sums.
// Then         which memory suits each input? Change the line "where" below (input panels, weights uniform,
//              nothing), and compare the times. Then unroll the loop over k for K = 64, so that each index in
//              the panel is a constant; "if (K4 > 5u)" skips a turn that K4 does not have. On a GPU neither
//              should matter: if you have one, try it.
// Rules        kernels/README.md, "The exercises". Letters of the grid: M, K4, N4.
// grid: N4 / 4, M
// where: input texture

const WORKGROUP = 1;
const WORKGROUP_Y = 128;  // rows
const K4 = 16u;
const N4 = 16u;

struct Step { size: vec4u }  // z: M

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

var<workgroup> columns: array<vec4f, 256>;  // row k of the panel: vectors 4k .. 4k+3

fn put(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size.z || column >= N4) { return; }
  let z = sum + bias[column];
  output[m * N4 + column] = select(exp(min(z, vec4f(0.0))) - 1.0, z, z > vec4f(0.0));
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn panel(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let column = 4u * group.x;  // index of a vector of four columns
  for (var i = local; i < 16u * K4; i += WORKGROUP_Y) {
    columns[i] = vec4f(0.0);  // YOUR CODE: row i / 4 of the weights, vector column + i % 4, if there is one.
  }
  workgroupBarrier();
  let m = group.y * WORKGROUP_Y + local;
  let at = min(m, step.size.z - 1u) * K4;  // rows past the end read the last row
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var k = 0u; k < K4; k++) {
    let x = load_input(at + k);
    s0 += x;  // YOUR CODE: four k for 16 columns, from columns[16 k] on.
  }
  put(m, column, s0);
  put(m, column + 1u, s1);
  put(m, column + 2u, s2);
  put(m, column + 3u, s3);
}

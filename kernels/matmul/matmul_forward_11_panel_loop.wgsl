// matmul_forward_11_panel_loop.wgsl - a dense layer, with 16 columns of the weights in workgroup memory
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]    output = ELU(input W + bias)     K at most 64
// Grid         N / 16 x M invocations in workgroups of 1 x 128.
// Idea         a workgroup of 128 owns 128 rows x 16 columns, an invocation one row. The workgroup copies its
//              panel of W, 16 columns [K, 16], into workgroup memory. After one barrier all invocations read
//              the same numbers there.
// On a GPU     (reasoned) a broadcast from workgroup memory is almost free. But an invocation reads the whole
//              panel for one row; a block of rows would share the reads.
// On llvmpipe  slower, by half of the previous steps' gain: a loop computes the index of each read of the
//              panel, so eight lanes load one after another, for one row each. But there are no more bounds
//              checks; step 12 needs that.

const WORKGROUP = 1;
const WORKGROUP_Y = 128;  // rows
const K4 = 16u;  // columns of the input / 4, at most 16
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

var<workgroup> panel: array<vec4f, 16u * K4>;  // row k of the panel: vectors 4k .. 4k+3

fn put(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size.z || column >= N4) { return; }
  let z = sum + bias[column];
  output[m * N4 + column] = select(exp(min(z, vec4f(0.0))) - 1.0, z, z > vec4f(0.0));
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_forward_11_panel_loop(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let column = 4u * group.x;
  for (var i = local; i < 16u * K4; i += WORKGROUP_Y) {
    panel[i] = weights[(i / 4u) * N4 + min(column + i % 4u, N4 - 1u)];
  }
  workgroupBarrier();
  let m = group.y * WORKGROUP_Y + local;
  let at = min(m, step.size.z - 1u) * K4;
  var c0 = vec4f(0.0);
  var c1 = vec4f(0.0);
  var c2 = vec4f(0.0);
  var c3 = vec4f(0.0);
  for (var k = 0u; k < K4; k++) {
    let a = load_input(at + k);
    let p = 16u * k;
    c0 += mat4x4f(panel[p], panel[p + 4u], panel[p + 8u], panel[p + 12u]) * a;
    c1 += mat4x4f(panel[p + 1u], panel[p + 5u], panel[p + 9u], panel[p + 13u]) * a;
    c2 += mat4x4f(panel[p + 2u], panel[p + 6u], panel[p + 10u], panel[p + 14u]) * a;
    c3 += mat4x4f(panel[p + 3u], panel[p + 7u], panel[p + 11u], panel[p + 15u]) * a;
  }
  put(m, column, c0);
  put(m, column + 1u, c1);
  put(m, column + 2u, c2);
  put(m, column + 3u, c3);
}

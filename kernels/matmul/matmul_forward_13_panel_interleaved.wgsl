// matmul_forward_13_panel_interleaved.wgsl - a dense layer, with no branch before the store
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]    output = ELU(input W + bias)     K at most 64
// Grid         N / 16 x M invocations in workgroups of 1 x 128.
// Idea         step 12 without the `if`: rows and columns past the end compute the last row or column again
//              and store the same bits at its address. (WGSL calls that a race, but the values are equal.)
// On a GPU     (reasoned) no effect: a branch that all invocations of a subgroup take is almost free.
// On llvmpipe  LLVM no longer moves the additions. But the row's vectors are read between the sums, and a
//              texel is read by a call: each of 16 calls saves and restores all 16 sums. Step 14 reads the
//              whole row first.

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

var<workgroup> panel: array<vec4f, 16u * K4 + 4u>;  // row k of the panel: vectors 4k .. 4k+3; then the bias

struct Sums { c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f }

// Adds the products of four more inputs: columns 4k .. 4k+3 of the row.
fn add(s: Sums, at: u32, k: u32) -> Sums {
  let a = load_input(at + k);
  let p = 16u * k;
  return Sums(
    fma(vec4f(a.w), panel[p + 12u], fma(vec4f(a.z), panel[p + 8u], fma(vec4f(a.y), panel[p + 4u], fma(vec4f(a.x), panel[p], s.c0)))),
    fma(vec4f(a.w), panel[p + 13u], fma(vec4f(a.z), panel[p + 9u], fma(vec4f(a.y), panel[p + 5u], fma(vec4f(a.x), panel[p + 1u], s.c1)))),
    fma(vec4f(a.w), panel[p + 14u], fma(vec4f(a.z), panel[p + 10u], fma(vec4f(a.y), panel[p + 6u], fma(vec4f(a.x), panel[p + 2u], s.c2)))),
    fma(vec4f(a.w), panel[p + 15u], fma(vec4f(a.z), panel[p + 11u], fma(vec4f(a.y), panel[p + 7u], fma(vec4f(a.x), panel[p + 3u], s.c3)))),
  );
}

fn put(m: u32, column: u32, z: vec4f) {
  output[m * N4 + min(column, N4 - 1u)] = select(exp(min(z, vec4f(0.0))) - 1.0, z, z > vec4f(0.0));
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_forward_13_panel_interleaved(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let column = 4u * group.x;
  for (var i = local; i < 16u * K4; i += WORKGROUP_Y) {
    panel[i] = weights[(i / 4u) * N4 + min(column + i % 4u, N4 - 1u)];
  }
  if (local < 4u) { panel[16u * K4 + local] = bias[min(column + local, N4 - 1u)]; }
  workgroupBarrier();
  let m = min(group.y * WORKGROUP_Y + local, step.size.z - 1u);
  let at = m * K4;
  var s = Sums(panel[16u * K4], panel[16u * K4 + 1u], panel[16u * K4 + 2u], panel[16u * K4 + 3u]);
  s = add(s, at, 0u);
  for (var n = 1u; n < 16u; n++) { if (K4 > n) { s = add(s, at, n); } }  // unrolled
  put(m, column, s.c0);
  put(m, column + 1u, s.c1);
  put(m, column + 2u, s.c2);
  put(m, column + 3u, s.c3);
}

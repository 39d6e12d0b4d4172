// matmul_forward_13_panel_indexed.wgsl - a dense layer that reads a row before its first sum
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]    output = ELU(input W + bias)     K at most 64
// Grid         N / 16 x M invocations in workgroups of 1 x 128.
// Idea         step 12 without the `if`: rows and columns past the end compute the last row or column again
//              and store the same bits at its address. (WGSL calls that a race, but the values are equal.)
//              And all texels of the row are read before the first sum: no call interrupts the sums.
// On a GPU     (reasoned) 16 more registers, and no gain: a branch that all invocations of a subgroup take is
//              almost free.
// On llvmpipe  LLVM no longer moves the additions, and the sums stay in registers: a texel is read by a call,
//              which would save and restore all 16 sums. The cost of starting remains: local_invocation_index
//              is computed from three coordinates, for which llvmpipe does 24 integer divisions per eight
//              invocations; and each workgroup of 128 rows copies its panel. The shipped kernel,
//              matmul_forward_panel.wgsl, has one axis of 256 and reads local_invocation_id.x: 8 divisions.

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

// Adds the products of four more inputs, a: columns 4k .. 4k+3 of the row.
fn add(s: Sums, a: vec4f, k: u32) -> Sums {
  let p = 16u * k;
  return Sums(
    fma(vec4f(a.w), panel[p + 12u], fma(vec4f(a.z), panel[p + 8u], fma(vec4f(a.y), panel[p + 4u], fma(vec4f(a.x), panel[p], s.c0)))),
    fma(vec4f(a.w), panel[p + 13u], fma(vec4f(a.z), panel[p + 9u], fma(vec4f(a.y), panel[p + 5u], fma(vec4f(a.x), panel[p + 1u], s.c1)))),
    fma(vec4f(a.w), panel[p + 14u], fma(vec4f(a.z), panel[p + 10u], fma(vec4f(a.y), panel[p + 6u], fma(vec4f(a.x), panel[p + 2u], s.c2)))),
    fma(vec4f(a.w), panel[p + 15u], fma(vec4f(a.z), panel[p + 11u], fma(vec4f(a.y), panel[p + 7u], fma(vec4f(a.x), panel[p + 3u], s.c3)))),
  );
}

// NaN and infinity are passed on, detected by exponent bits: min and exp may make ordinary numbers of them.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

fn put(row: u32, column: u32, z: vec4f) {
  output[row * N4 + min(column, N4 - 1u)] = select(exp(min(z, vec4f(0.0))) - 1.0, z, (z > vec4f(0.0)) | broken(z));
}

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn matmul_forward_13_panel_indexed(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let column = 4u * group.x;
  for (var i = local; i < 16u * K4; i += WORKGROUP_Y) {
    panel[i] = weights[(i / 4u) * N4 + min(column + i % 4u, N4 - 1u)];
  }
  if (local < 4u) { panel[16u * K4 + local] = bias[min(column + local, N4 - 1u)]; }
  workgroupBarrier();
  let m = min(group.y * WORKGROUP_Y + local, step.size.z - 1u);
  let at = m * K4;
  var a = array<vec4f, 16>();
  a[0] = load_input(at);
  for (var n = 1u; n < 16u; n++) { if (K4 > n) { a[n] = load_input(at + n); } }  // unrolled
  var s = Sums(panel[16u * K4], panel[16u * K4 + 1u], panel[16u * K4 + 2u], panel[16u * K4 + 3u]);
  s = add(s, a[0], 0u);
  for (var n = 1u; n < 16u; n++) { if (K4 > n) { s = add(s, a[n], n); } }  // unrolled
  put(m, column, s.c0);
  put(m, column + 1u, s.c1);
  put(m, column + 2u, s.c2);
  put(m, column + 3u, s.c3);
}

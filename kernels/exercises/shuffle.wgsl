// shuffle.wgsl - exercise: subgroups, without memory and barrier     (read kernels/course/0-first-kernels.md)
//   x [N]  y [N]  y[i] is the sum of i's block of four: y[0] = y[1] = y[2] = y[3] = x[0] + ... + x[3]
//
//   The invocations of a subgroup (at least 4 lanes) run together and read each other's registers:
//     subgroupShuffleXor(v, 1u) returns the v of the lane whose number differs in the last bit, so lanes 0
//     and 1 exchange v, and lanes 2 and 3.
//
// Your task    two lines: after the first, v is a sum of two; after the second, with 2u, a sum of four.
// Rules        kernels/README.md, "The exercises". Letters of the grid: N, a multiple of 64. The adapter
//              needs subgroups.
// grid: N

enable subgroups;
const WORKGROUP = 64;
const N = 64u;  // set by the host
struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn shuffle(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  var v = x[i];
  // YOUR CODE: add the v of the neighbouring lane, then the v of the lane two further.
  y[i] = v;
}

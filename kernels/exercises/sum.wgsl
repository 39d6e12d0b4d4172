// sum.wgsl - exercise: a tree of additions      (read kernels/course/0-first-kernels.md)
//   x [N]  y [N / 64, rounded up]  y[g] is the sum of block g: x[64 g] + ... + x[64 g + 63] or up to x[N - 1]
//
// Your task    add up 64 numbers in six turns: in the first turn 32 invocations add a number each, then 16,
//              8, 4, 2 and 1. In the first turn `half` is 32, and each invocation with local < 32 adds a
//              number of the upper half to its number.
// Then         why must the barrier not be inside of "if (local < half)"?
// Rules        kernels/README.md, "The exercises". Letters of the grid: N.
// grid: N

const WORKGROUP = 64;
const N = 1u;  // set by the host
struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> part: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn sum(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
) {
  part[local] = 0.0;
  if (id.x < N) { part[local] = x[id.x]; }
  for (var half = u32(WORKGROUP) / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();  // all numbers of the previous turn are written
    // YOUR CODE: if local is less than half, add part[local + half] to part[local].
  }
  if (local == 0u) { y[group.x] = part[0]; }
}

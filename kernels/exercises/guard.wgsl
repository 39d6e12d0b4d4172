// guard.wgsl - exercise: more invocations than elements      (read kernels/course/0-first-kernels.md)
//   x [N]   y [N]        y = x x
//
// Your task    write y[i], but only if i < N. Whole workgroups of 64 invocations start, so for N = 65 there
//              are 128 invocations, and 63 of them must write nothing. What does the checker print if all of
//              them write?
// Rules        kernels/README.md, "The exercises". Letters of the grid: N.
// grid: N

const WORKGROUP = 64;
const N = 1u;  // set by the host
struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn guard(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  // YOUR CODE: if i is less than N, y[i] is the square of x[i].
}

// map.wgsl - exercise: one invocation per element      (read kernels/course/0-first-kernels.md)
//   x [N]   y [N]        y = 2 x + 1
//
// Your task    write y[i]. The grid has an invocation per element, so no loop is needed.
// Rules        kernels/README.md, "The exercises". Letters of the grid: N, a multiple of 64.
// grid: N

const WORKGROUP = 64;
const N = 64u;  // set by the host
struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn map(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  // YOUR CODE: y[i] is two times x[i], plus one.
}

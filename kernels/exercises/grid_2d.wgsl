// grid_2d.wgsl - exercise: rows and columns      (read kernels/course/0-first-kernels.md)
//   a [M]   b [N]   y [M, N]        y[m, n] = a[m] + b[n]
//
// Your task    write y[m, n], with a guard for each axis. A matrix is stored row by row: y[m, n] is element m
//              N + n.
// Then         exchange n and m, and the two axes of the grid ("// grid: M, N"): the kernel stays correct,
//              but neighbouring invocations then write N elements apart. Compare the "write sectors", also
//              with 32 x 2 invocations per workgroup.
// Rules        kernels/README.md, "The exercises". Letters of the grid: M, N.
// grid: N, M

const WORKGROUP = 8;
const WORKGROUP_Y = 8;
const M = 1u;  // set by the host
const N = 1u;  // set by the host
struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn grid_2d(@builtin(global_invocation_id) id: vec3u) {
  let n = id.x;
  let m = id.y;
  // YOUR CODE: if m and n are less than M and N, y[m, n] is the sum of a[m] and b[n].
}

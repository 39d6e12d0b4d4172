// block.wgsl - exercise: workgroup memory      (read kernels/course/0-first-kernels.md)
//   x [N]  y [N]  y is x with every block of 64 elements reversed: y[0] = x[63], y[1] = x[62], y[64] = x[127]
//
// Your task    an invocation writes its element into `tile`, the memory of its workgroup, and after the
//              barrier reads the element that another invocation has written. Delete the barrier: which
//              message does the checker print?
// Rules        kernels/README.md, "The exercises". Letters of the grid: N, a multiple of 64.
// grid: N

const WORKGROUP = 64;
const N = 64u;  // set by the host
struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> tile: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn block(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = id.x;
  // YOUR CODE: tile[local] is x[i].
  workgroupBarrier();  // an invocation waits here until all invocations of its workgroup are here
  y[i] = tile[local];  // YOUR CODE: invocation 0 reads the tile's last element, the last reads the first.
}

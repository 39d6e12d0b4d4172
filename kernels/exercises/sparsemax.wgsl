// sparsemax.wgsl - exercise: the projection on the simplex      (read kernels/course/9-minimax.md)
//   u [R]       utility of every displayed row     event [E]   (first row, end row, clicked row | NONE, -)
//   policy [R]  pi = sparsemax(eta u) over an event's rows: the nearest simplex point; eta = GENERATOR_ETA
//               pi_r = max(eta u_r - tau, 0), with the only tau for which the pi_r add up to 1
//   gradient [R]  of the reward: (pi_r - [r was clicked]) / E in an event with a click, else 0
//
// Your task    find tau. Sorted by value, the k largest are the support if 1 + k z_k > the sum of these k. No
//              sort is needed: for each row count and add up the rows that are at least as large.
// Then         this takes K^2 comparisons. How would a workgroup compute K = 1,000 (--size 64x1000)?
// Rules        kernels/README.md, "The exercises". Letters of the grid: E events, K rows of the longest page,
//              e.g. "K, E".
// grid: E

const WORKGROUP = 64;
const GENERATOR_ETA = 1.0;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> policy: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn sparsemax(@builtin(global_invocation_id) id: vec3u) {
  let e = id.x;
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  // A constant subtracted from all rows does not change pi. Subtracting the maximum prevents cancellation.
  var most = u[first];
  for (var r = first; r < end; r++) { most = max(most, u[r]); }
  let tau = -1.0;  // YOUR CODE: the threshold of z_r = GENERATOR_ETA (u_r - most).
  for (var r = first; r < end; r++) {
    let pi = max(GENERATOR_ETA * (u[r] - most) - tau, 0.0);
    policy[r] = pi;
    var slope = 0.0;
    if (click != NONE) { slope = (pi - select(0.0, 1.0, r == click)) / f32(step.size.y); }
    gradient[r] = slope;
  }
}

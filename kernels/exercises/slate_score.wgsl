// slate_score.wgsl - exercise: the best of every 32 items for each user    (read kernels/course/11-slates.md)
//   base [U, L]   a part of each user's state       table [I, L]   a part of each item       weights [L]
//   score_ui = sum over the units n of weights_n relu(base_un + table_in)
//   Panel p has the items 32 p .. 32 p + 31, P = I / 32 rounded up.        L = 4 L4
//   masked [P, U]   bit b is set if item 32 p + b may not be chosen
//   best [P, U]     (the largest score of the items that are not masked, bit for bit; its item, the first
//                   among equals). If all items are masked, the item is NONE, and the score may be any
//                   number.
//
// Your task    compute the scores of a panel's items for one user, and find the best. Store no scores.
// Then         an invocation reads L numbers of the table for L products. Copy a tile of base and of table
//              into workgroup memory, and let an invocation own 4 users x 4 items: the tile of chapter 2,
//              with a maximum at its end ("// grid: 16 (P / 2), U / 4", 16 x 16 per workgroup).
// Rules        kernels/README.md, "The exercises". Letters of the grid: U users, P panels, L4.
// grid: U, P

const WORKGROUP = 64;
const ITEMS = 1u;  // I
const L4 = 16u;
const NONE = 0xffffffffu;
const LOWEST = -3.4e38;  // less than every score

struct Step { size: vec4u }  // x: U

@group(0) @binding(0) var<storage, read> base: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> masked: array<u32>;
@group(0) @binding(4) var<storage, read_write> best: array<vec2u>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn slate_score(@builtin(global_invocation_id) id: vec3u) {
  let u = id.x;
  let p = id.y;
  if (u >= step.size.x) { return; }
  let bits = masked[p * step.size.x + u];
  var most = LOWEST;
  var winner = NONE;
  for (var i = 32u * p; i < min(32u * (p + 1u), ITEMS); i++) {
    var sum = 0.0;
    // YOUR CODE: the score of item i. Rows of base and table have L4 vectors; dot(a, b) sums four products.
    if (sum > most) {  // YOUR CODE: and its bit is 0.
      most = sum;
      winner = i;
    }
  }
  best[p * step.size.x + u] = vec2u(bitcast<u32>(most), winner);
}

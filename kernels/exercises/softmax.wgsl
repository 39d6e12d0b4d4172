// softmax.wgsl - exercise: loss and gradient of a choice      (read kernels/course/1-softmax.md)
//   u [R]        utility of every displayed row       event [E]   (first row, end row, clicked row | NONE, -)
//   outcome [E]  (loss, prec@1, prec@2, 1 if clicked)   u_gradient [R]
//   loss_e = log(1 + sum over the rows r of e of exp(u_r)) - u_click           (no click: the last term is 0)
//   u_gradient_r = (P(r) - [r was clicked]) / E,   P(r) = exp(u_r) / (1 + sum exp(u))
//
// Your task    compute `most`, `sum`, the loss and the gradient. Some rows have a utility of 90, and exp(90)
//              is infinite in f32: subtract the largest logit first. "No click" is one of the logits, 0; on
//              some pages all others are -200.
// Then         try an invocation per row, or a workgroup per event. Which suits pages of 10 rows, which suits
//              pages of 1,000? To check and time another size: deno task exercise softmax --size 64x1000
// Rules        kernels/README.md, "The exercises". Letters of the grid: E events, K rows of the longest page,
//              e.g. "K, E".
// grid: E

const WORKGROUP = 64;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> u_gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

// Returns the probability that the clicked row is among the first k, with equal rows in random order.
fn share_in_top(k: f32, greater: f32, equal: f32) -> f32 {
  return clamp((k - greater) / max(equal, 1.0), 0.0, 1.0);
}

@compute @workgroup_size(WORKGROUP)
fn softmax(@builtin(global_invocation_id) id: vec3u) {
  let e = id.x;
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  let clicked = click != NONE;
  var clicked_u = 0.0;
  if (clicked) { clicked_u = u[click]; }

  var greater = 0.0;
  var equal = 0.0;
  for (var r = first; r < end; r++) {
    if (u[r] > clicked_u) { greater += 1.0; }
    if (u[r] == clicked_u) { equal += 1.0; }
  }

  // YOUR CODE: the largest logit, the sum, and from them the loss.
  let most = 0.0;
  let sum = 1.0;
  let loss = most + sum;

  if (clicked) {
    outcome[e] = vec4f(loss, share_in_top(1.0, greater, equal), share_in_top(2.0, greater, equal), 1.0);
  } else {
    outcome[e] = vec4f(loss, 0.0, 0.0, 0.0);
  }
  for (var r = first; r < end; r++) {
    u_gradient[r] = 0.0;  // YOUR CODE: the gradient of row r.
  }
}

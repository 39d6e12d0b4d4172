// choice_nll_3_online.wgsl - loss and gradient of a choice, with one pass for maximum and sum
//   u [R]        utility of each displayed row        event [E]   (first row, end row, clicked row | NONE, -)
//   outcome [E]   (loss, prec@1, prec@2, 1 if clicked)  u_gradient [R]       here no event is a context event
//   loss_e = log(1 + sum_{r in e} exp(eta u_r)) - eta u_click        (no click: the last term is 0)
//   d mean loss / d u_r = eta (P(r) - [r clicked]) / E,  P(r) = exp(eta u_r) / (1 + sum exp(eta u))
// Grid         E invocations in workgroups of 16.
// Idea         one invocation owns an event, and computes sum and largest utility in one pass over the page:
//              a larger utility scales down the sum so far (the online softmax of FlashAttention).
// On a GPU     (reasoned) faster if memory is the limit: for rows that do not fit a cache.
// On llvmpipe  faster than step 1: a page is read twice instead of 2 K times. The additional exp per row
//              costs about as much as the load that it saves. The shipped kernel, choice_nll.wgsl, reads the
//              page once more for the largest utility, needs one exp less, and detects NaN and infinity. Both
//              take equally long: see bench/ladder.md.

const WORKGROUP = 16;  // events
const ETA = 1.0;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> u_gradient: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

fn share_in_top(k: f32, greater: f32, equal: f32) -> f32 {
  return clamp((k - greater) / max(equal, 1.0), 0.0, 1.0);
}

@compute @workgroup_size(WORKGROUP)
fn choice_nll_3_online(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  let clicked = click != NONE;
  var x = 0.0;
  if (clicked) { x = ETA * u[click]; }

  // The sum begins with "no click": utility 0, exp(0) = 1.
  var most = 0.0;
  var sum = 1.0;
  var greater = 0.0;
  var equal = 0.0;
  for (var r = first; r < end; r++) {
    let y = ETA * u[r];
    let more = max(most, y);
    sum = sum * exp(most - more) + exp(y - more);
    most = more;
    greater += select(0.0, 1.0, y > x);
    equal += select(0.0, 1.0, y == x);
  }
  let loss = (most - x) + log(sum);
  if (clicked) {
    outcome[e] = vec4f(loss, share_in_top(1.0, greater, equal), share_in_top(2.0, greater, equal), 1.0);
  } else {
    outcome[e] = vec4f(loss, 0.0, 0.0, 0.0);
  }
  let events = f32(step.size.y);
  for (var r = first; r < end; r++) {
    u_gradient[r] = ETA * (exp(ETA * u[r] - most) / sum - select(0.0, 1.0, r == click)) / events;
  }
}

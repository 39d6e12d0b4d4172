// choice_nll_1_naive.wgsl - loss and gradient of a choice, with one invocation per row
//   u [R]        utility of each displayed row        event [E]   (first row, end row, clicked row | NONE, -)
//   outcome [E]   (loss, prec@1, prec@2, 1 if clicked)  u_gradient [R]       here no event is a context event
//   loss_e = log(1 + sum_{r in e} exp(eta u_r)) - eta u_click        (no click: the last term is 0)
//   d mean loss / d u_r = eta (P(r) - [r clicked]) / E,  P(r) = exp(eta u_r) / (1 + sum exp(eta u))
// Grid         K x E invocations in workgroups of 8 x 2, K: rows of the longest page.
// Idea         one invocation, one row. A row's probability depends on the whole page, so the invocation
//              reads the page twice: for the largest utility and for the sum. A page of K rows is read 2 K
//              times. The first row's invocation also writes the event's loss.
// On a GPU     (reasoned) not bad: K times as many invocations, and the page comes from cache. But
//              neighbouring invocations repeat the same work.
// On llvmpipe  slower: K times the loads and K times the exps, while all cores are already busy.

const WORKGROUP = 8;    // rows of a page
const WORKGROUP_Y = 2;  // events
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

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn choice_nll_1_naive(@builtin(global_invocation_id) id: vec3u) {
  let e = id.y;
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  if (id.x >= end - first) { return; }
  // The largest utility is subtracted, so exp cannot overflow. The maximum includes "no click" (utility 0).
  var most = 0.0;
  for (var r = first; r < end; r++) { most = max(most, ETA * u[r]); }
  var sum = exp(-most);
  for (var r = first; r < end; r++) { sum += exp(ETA * u[r] - most); }
  let own = first + id.x;
  let chosen = select(0.0, 1.0, own == click);
  u_gradient[own] = ETA * (exp(ETA * u[own] - most) / sum - chosen) / f32(step.size.y);
  if (id.x > 0u) { return; }
  if (click == NONE) {
    outcome[e] = vec4f(most + log(sum), 0.0, 0.0, 0.0);
    return;
  }
  let x = ETA * u[click];
  var greater = 0.0;
  var equal = 0.0;
  for (var r = first; r < end; r++) {
    greater += select(0.0, 1.0, ETA * u[r] > x);
    equal += select(0.0, 1.0, ETA * u[r] == x);
  }
  outcome[e] = vec4f((most - x) + log(sum), share_in_top(1.0, greater, equal), share_in_top(2.0, greater, equal), 1.0);
}

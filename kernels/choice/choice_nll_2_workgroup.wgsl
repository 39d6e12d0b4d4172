// choice_nll_2_workgroup.wgsl - loss and gradient of a choice, with one workgroup per event
//   u [R]        utility of each displayed row        event [E]   (first row, end row, clicked row | NONE, -)
//   outcome [E]   (loss, prec@1, prec@2, 1 if clicked)  u_gradient [R]       here no event is a context event
//   loss_e = log(1 + sum_{r in e} exp(eta u_r)) - eta u_click        (no click: the last term is 0)
//   d mean loss / d u_r = eta (P(r) - [r clicked]) / E,  P(r) = exp(eta u_r) / (1 + sum exp(eta u))
// Grid         32 E invocations in workgroups of 32.
// Idea         the rows of a page are distributed to 32 invocations. Their results are combined by halves in
//              workgroup memory: 16 invocations add the results of 16 others, then 8 of 8, ... 1 of 1. Each
//              row is read by one invocation, instead of K.
// On a GPU     (reasoned) the classic reduction. A reduction is faster on wide rows, such as the 50,000 words
//              of a language model. On pages of 10 items most of the 32 invocations are idle.
// On llvmpipe  much slower: six barriers per reduction, two reductions per event, for ten numbers.

const WORKGROUP = 32;  // invocations per event
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

var<workgroup> largest: array<f32, WORKGROUP>;
var<workgroup> part: array<vec4f, WORKGROUP>;  // sum, greater, equal

@compute @workgroup_size(WORKGROUP)
fn choice_nll_2_workgroup(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let e = group.x;
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  let clicked = click != NONE;
  var x = 0.0;
  if (clicked) { x = ETA * u[click]; }

  // The largest utility is subtracted, so exp cannot overflow. The maximum includes "no click" (utility 0).
  var most = 0.0;
  for (var r = first + local; r < end; r += WORKGROUP) { most = max(most, ETA * u[r]); }
  largest[local] = most;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) { largest[local] = max(largest[local], largest[local + half]); }
    workgroupBarrier();
  }
  most = largest[0];

  var own = vec4f(select(0.0, exp(-most), local == 0u), 0.0, 0.0, 0.0);
  for (var r = first + local; r < end; r += WORKGROUP) {
    let y = ETA * u[r];
    own += vec4f(exp(y - most), select(0.0, 1.0, y > x), select(0.0, 1.0, y == x), 0.0);
  }
  part[local] = own;
  workgroupBarrier();
  for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
    if (local < half) { part[local] += part[local + half]; }
    workgroupBarrier();
  }
  let all = part[0];

  if (local == 0u) {
    let loss = (most - x) + log(all.x);
    let shares = vec2f(share_in_top(1.0, all.y, all.z), share_in_top(2.0, all.y, all.z));
    outcome[e] = select(vec4f(loss, 0.0, 0.0, 0.0), vec4f(loss, shares, 1.0), clicked);
  }
  for (var r = first + local; r < end; r += WORKGROUP) {
    u_gradient[r] = ETA * (exp(ETA * u[r] - most) / all.x - select(0.0, 1.0, r == click)) / f32(step.size.y);
  }
}

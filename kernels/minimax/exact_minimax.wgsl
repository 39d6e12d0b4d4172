// exact_minimax.wgsl - the game of minimax.wgsl with the exact generator, by sparsemax
//   u [R]  utilities      event [E]  (first row, end, clicked row | NONE | GIVEN or FURTHER, -)
//   pi = argmax over the simplex of sum_r pi_r (u_r - pi_r / (2 eta)) = sparsemax(eta u): eta u projected
//        on the simplex (Martins and Astudillo 2016), pi_r = max(eta u_r - tau, 0); eta as in minimax.wgsl
//   policy [R]     pi; 0 for a context event
//   outcome [2 E]  as in minimax.wgsl
//   gradient [R]   d(mean loss_min) / d u = (pi_r - [r clicked] + PENALTY / K (u_r - mean u of the page)) /
//                  C, K rows per page. pi maximises the value, so a change of pi does not change the value
//                  (envelope theorem): no gradient through pi
//
// The threshold tau is found without sorting. Let k_r rows be at least as large as row r, with sum S_r. Row r
// is in the support if 1 + k_r z_r > S_r. Then tau = (S - 1) / k over the support. This takes K^2
// comparisons, few for pages of up to 50 rows. z is eta u minus its maximum: the projection is the same, and
// a large u costs no digits.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns one event; no barrier.
// On a GPU     (reasoned) as choice_nll.wgsl. Up to 16 rows (HELD) are compared in registers; longer pages
//              are read repeatedly, from cache. A sort would need an array with computed indices, which does
//              not stay in registers. Long pages diverge from short pages.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD, mi200 48, 5. Without rows in registers: 36, and 28
// Cost         4 K + 40 flops and 12 bytes per row.      Backward   is here, with GRADIENT
// Next         outcome_sum.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const HELD = 0u;  // longest page (rows) that an invocation keeps in registers; longer pages are read again
const GRADIENT = true;
const ETA = 1.0;            // of the choice of what to click
const GENERATOR_ETA = 1.0;  // of the generator's L2 regulariser
const ETA_BY_PAGE = false;  // divides GENERATOR_ETA by the page's number of items
const PENALTY = 0.0;
const SKIP_NO_CLICK = true;
const NONE = 0xffffffffu;
const FURTHER = 0x80000000u;  // values >= FURTHER except NONE: context events, additional clicks

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(28) unread: u32,  // fields that this kernel does not read
  counted: u32,           // divisor of means; for click logs: number of events that are not context events
}

@group(0) @binding(0) var<storage, read> u: array<f32>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> policy: array<f32>;
@group(0) @binding(3) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

fn share_in_top(k: f32, greater: f32, equal: f32) -> f32 {
  return clamp((k - greater) / max(equal, 1.0), 0.0, 1.0);
}

// True for NaN or infinity, by the exponent bits: comparisons, max and exp may lose a NaN.
fn broken(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }

// Returns the number and the sum of the rows in registers that are at least z. A separate function: naga adds
// a counter to a loop inside a loop, which prevents unrolling.
fn held_at_least(z: f32, held: ptr<function, array<f32, max(HELD, 1u)>>) -> vec2f {
  var larger = vec2f(0.0);
  for (var k = 0u; k < HELD; k++) {
    let other = (*held)[k];
    larger += select(vec2f(0.0), vec2(1.0, other), other >= z);
  }
  return larger;
}

@compute @workgroup_size(WORKGROUP)
fn exact_minimax(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  if (click >= FURTHER && click != NONE) {
    outcome[2u * e] = vec4f(0.0);
    outcome[2u * e + 1u] = vec4f(0.0);
    for (var r = first; r < end; r++) {
      policy[r] = 0.0;
      if (GRADIENT) { gradient[r] = 0.0; }
    }
    return;
  }
  let clicked = click != NONE;
  var clicked_u = 0.0;
  if (clicked) { clicked_u = u[click]; }

  let items = f32(end - first);
  let eta = select(GENERATOR_ETA, GENERATOR_ETA / items, ETA_BY_PAGE);
  var most_u = u[first];
  var sum_u = 0.0;
  var bad = 0.0;  // a NaN or infinite utility of the page, if there is one
  for (var r = first; r < end; r++) {
    let x = u[r];
    if (broken(x)) { bad = x; }
    most_u = max(most_u, x);
    sum_u += x;
  }
  let mean_u = sum_u / items;
  let most = ETA * max(most_u, 0.0);
  var choices = exp(-most);
  for (var r = first; r < end; r++) { choices += exp(ETA * u[r] - most); }
  let is_short = end - first <= HELD;
  var held: array<f32, max(HELD, 1u)>;
  for (var k = 0u; k < HELD; k++) {
    held[k] = select(-3.0e38, eta * (u[min(first + k, end - 1u)] - most_u), first + k < end);
  }
  var support = vec2f(0.0);  // number of rows in the support, and their sum
  for (var r = first; r < end; r++) {
    let z = eta * (u[r] - most_u);
    var larger = vec2f(0.0);
    if (is_short) {
      larger = held_at_least(z, &held);
    } else {
      for (var q = first; q < end; q++) {
        let other = eta * (u[q] - most_u);
        if (other >= z) { larger += vec2(1.0, other); }
      }
    }
    if (1.0 + larger.x * z > larger.y) { support += vec2(1.0, z); }
  }
  let tau = (support.y - 1.0) / max(support.x, 1.0);
  var clicked_pi = 0.0;
  if (clicked) { clicked_pi = max(eta * (clicked_u - most_u) - tau, 0.0); }
  var expected = 0.0;  // expectation of u minus its maximum
  var squares = 0.0;
  var above = vec2f(0.0);  // number of rows above the clicked row, by u and by pi
  var equal = vec2f(0.0);
  for (var r = first; r < end; r++) {
    let x = u[r];
    let pi = max(eta * (x - most_u) - tau, 0.0);
    policy[r] = pi;
    expected += pi * (x - most_u);
    squares += pi * pi;
    above += select(vec2f(0.0), vec2f(1.0), vec2(x > clicked_u, pi > clicked_pi));
    equal += select(vec2f(0.0), vec2f(1.0), vec2(x == clicked_u, pi == clicked_pi));
  }
  var nll = (most - ETA * clicked_u) + log(choices);
  var loss_max = most_u + (expected - 0.5 / eta * squares);
  var loss_min = (most_u - clicked_u) + (expected - 0.5 / eta * squares);
  let counts = clicked || !SKIP_NO_CLICK;
  if (!counts) {
    loss_max = 0.0;
    loss_min = 0.0;
  }
  if (broken(bad)) {
    nll = bad;
    loss_max = bad;
    loss_min = bad;
  }
  if (clicked) {
    outcome[2u * e] =
      vec4f(nll, share_in_top(1.0, above.x, equal.x), share_in_top(2.0, above.x, equal.x), 1.0);
    outcome[2u * e + 1u] =
      vec4f(loss_min, share_in_top(1.0, above.y, equal.y), share_in_top(2.0, above.y, equal.y), loss_max);
  } else {
    outcome[2u * e] = vec4f(nll, 0.0, 0.0, 0.0);
    outcome[2u * e + 1u] = vec4f(loss_min, 0.0, 0.0, loss_max);
  }
  if (GRADIENT) {
    let share = select(0.0, 1.0 / f32(step.counted), counts);
    for (var r = first; r < end; r++) {
      gradient[r] = share * (policy[r] - select(0.0, 1.0, r == click) + PENALTY / items * (u[r] - mean_u));
    }
  }
}

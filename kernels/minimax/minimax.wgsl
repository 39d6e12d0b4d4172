// minimax.wgsl - the game of generator and reward: losses, precision, one player's gradient
//   u [R]  the reward's utilities  logits [R]  of the generator  event [E]  (first row, end, clicked row, -),
//                  where the clicked row may be NONE, or GIVEN or FURTHER as in batch_expand.wgsl
//   pi = softmax(logits) over the rows of an event: displayed items only, no null action
//   loss_max_e = sum_r pi_r (u_r - pi_r / (2 eta))          the generator ascends its mean
//                  eta is GENERATOR_ETA, with ETA_BY_PAGE divided by the event's K rows
//   loss_min_e = loss_max_e - u_click                       the reward descends its mean
//   outcome [2 E]  (nll of u as in choice_nll.wgsl, prec@1, prec@2 of u, 1 if clicked),
//                  (loss_min, prec@1, prec@2 of pi, loss_max)
//   gradient [R]  PLAYER 1, the generator: d(-mean loss_max) / d logits = -pi_r ((u_r - pi_r / eta) - S) / C,
//                    S = sum pi (u - pi / eta)
//                  PLAYER 2, the reward: d(mean loss_min) / d u
//                    = (pi_r - [r clicked] + PENALTY / K (u_r - mean u)) / C, mean u of the page
//                  PLAYER 0: no gradient, for evaluation
//
// A context event is history, and so is an additional click: its page is represented by the first click.
// Outcome and gradient of these events are 0. C is the number of all other events, and the means are over
// these.
//
// A constant added to all u of a page changes neither gradient, so the generator's gradient first subtracts
// the page's largest u. An event without a click has nothing to compare pi with, as pi has no null action:
// its term would push down the utilities of its page without limit. With SKIP_NO_CLICK neither player counts
// such an event.
// With K4 this kernel also computes the generator's last layer, logits = bias + hidden . weights.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns one event (1 to about 50 rows); no barrier.
// On a GPU     (reasoned) pages are short and events are many: see choice_nll.wgsl. Both losses, all
//              precisions, one gradient and, with K4, the last layer are one dispatch: fewer launches, and
//              rows are read while in cache. One invocation reads a whole row of hidden: these loads are not
//              coalesced.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (of 16 invocations: 48, 16); mi200 36, 7 (36, 7).
//              Rejected: 16 rows in registers, as in choice_nll.wgsl, because with two numbers per row mi200
//              keeps 3 subgroups
// Cost         about 40 flops and 12 bytes per row; with K4 8 K4 flops and 16 K4 bytes more.
// Backward     is here, with PLAYER      Next   outcome_sum.wgsl
// Exact generator   exact_minimax.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const K4 = 0u;         // columns of hidden / 4; 0 if logits is an input
const PLAYER = 0u;
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
@group(0) @binding(2) var<storage, read> hidden: array<vec4f>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> logits: array<f32>;
@group(0) @binding(6) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(8) var<uniform> step: Step;

fn load_hidden(i: u32) -> vec4f { return hidden[i]; }

fn share_in_top(k: f32, greater: f32, equal: f32) -> f32 {
  return clamp((k - greater) / max(equal, 1.0), 0.0, 1.0);
}

// True for NaN or infinity, by the exponent bits: comparisons, max and exp may lose a NaN.
fn broken(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }

fn logit(r: u32) -> f32 {
  if (K4 == 0u) { return logits[r]; }
  var sum = vec4f(0.0);
  for (var k = 0u; k < K4; k++) {
    sum += load_hidden(r * K4 + k) * weights[k];
  }
  let value = bias[0] + ((sum.x + sum.y) + (sum.z + sum.w));
  logits[r] = value;
  return value;
}

@compute @workgroup_size(WORKGROUP)
fn minimax(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  if (click >= FURTHER && click != NONE) {
    outcome[2u * e] = vec4f(0.0);
    outcome[2u * e + 1u] = vec4f(0.0);
    for (var r = first; r < end; r++) {
      _ = logit(r);
      if (PLAYER != 0u) { gradient[r] = 0.0; }
    }
    return;
  }
  let clicked = click != NONE;
  var clicked_u = 0.0;
  var clicked_logit = 0.0;

  var most_u = u[first];
  var most_logit = -3.0e38;
  var sum_u = 0.0;
  var bad = 0.0;  // a NaN or infinite value of the page, if there is one
  for (var r = first; r < end; r++) {
    let x = u[r];
    let z = logit(r);
    if (broken(x)) { bad = x; }
    if (broken(z)) { bad = z; }
    if (r == click) {
      clicked_u = x;
      clicked_logit = z;
    }
    most_u = max(most_u, x);
    most_logit = max(most_logit, z);
    sum_u += x;
  }
  let items = f32(end - first);
  let eta = select(GENERATOR_ETA, GENERATOR_ETA / items, ETA_BY_PAGE);
  let mean_u = sum_u / items;
  let most = ETA * max(most_u, 0.0);
  var choices = exp(-most);
  var actions = 0.0;
  var above = vec2f(0.0);  // number of rows above the clicked row, by u and by pi
  var equal = vec2f(0.0);
  for (var r = first; r < end; r++) {
    let x = u[r];
    let z = logits[r];
    choices += exp(ETA * x - most);
    actions += exp(z - most_logit);
    above += select(vec2f(0.0), vec2f(1.0), vec2(x > clicked_u, z > clicked_logit));
    equal += select(vec2f(0.0), vec2f(1.0), vec2(x == clicked_u, z == clicked_logit));
  }
  var expected = 0.0;  // expectation of u minus its maximum
  var squares = 0.0;
  for (var r = first; r < end; r++) {
    let pi = exp(logits[r] - most_logit) / actions;
    expected += pi * (u[r] - most_u);
    squares += pi * pi;
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

  if (PLAYER == 0u) { return; }
  let share = select(0.0, 1.0 / f32(step.counted), counts);
  let slope = expected - squares / eta;
  for (var r = first; r < end; r++) {
    let pi = exp(logits[r] - most_logit) / actions;
    if (PLAYER == 1u) {
      gradient[r] = -share * pi * (((u[r] - most_u) - pi / eta) - slope);
    } else {
      gradient[r] = share * (pi - select(0.0, 1.0, r == click) + PENALTY / items * (u[r] - mean_u));
    }
  }
}

// minimax.wgsl - the game of generator and reward with the L2 regulariser: losses, precision, one player's gradient
//
//   u [R]  utilities, of the reward    logits [R]  of the generator    event [E]  (first row, end, clicked row | NONE | given, -)
//   pi = softmax(logits) over the rows of an event: only what is displayed, no null action
//   loss_max_e = sum_r pi_r (u_r - pi_r / (2 eta))          the generator ascends its mean; eta is GENERATOR_ETA,
//                                                            or with ETA_BY_PAGE that over the K rows of the event
//   loss_min_e = loss_max_e - u_click                       the reward descends its mean
//   outcome [2 E]  (nll of u as in choice_nll.wgsl, prec@1, prec@2 of u, 1 if clicked),
//                  (loss_min, prec@1, prec@2 of pi, loss_max)
//   gradient [R]   PLAYER 1, the generator: d(-mean loss_max) / d logits = -pi_r ((u_r - pi_r / eta) - S) / C,
//                    S = sum pi (u - pi / eta)
//                  PLAYER 2, the reward: d(mean loss_min) / d u = (pi_r - [r clicked] + PENALTY / K (u_r - mean u)) / C,
//                    K rows and the mean u of the page
//                  PLAYER 0: none, to evaluate
//
// A context event is history, and so is an additional click, as the first click stands for its page: its outcome and its gradient are
// 0. C counts the other events, and the means are over those.
//
// A constant added to all u of a page changes neither gradient. So in the generator's, the page's largest u is subtracted
// first. On an event without a click there is nothing to hold pi against, as pi has no null action: its term would push the
// utilities of its page down for ever. With SKIP_NO_CLICK such an event counts for neither player.
//
// With K4 the generator's last layer, logits = bias + hidden . weights, is made here, too.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns one event (1 to about 50 rows); no barrier.
// On a GPU     (reasoned) pages are short and events are many: see choice_nll.wgsl. Both losses, all precisions, one gradient
//              and, with K4, the last layer are one dispatch: that saves launches, and rows are read while they are in cache. A
//              row of hidden is read by one invocation, so those loads are not coalesced.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (of 16 invocations: 48, 16); mi200 36, 7 (36, 7). Left out: 16 rows
//              in registers, as choice_nll.wgsl has them. There are two numbers per row, so mi200 keeps 3 subgroups
// Cost         about 40 flops and 12 bytes per row; with K4 8 K4 flops and 16 K4 bytes more.
// Backward     is here, with PLAYER      Next   outcome_sum.wgsl      The exact generator   exact_minimax.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const K4 = 0u;         // columns of hidden / 4; 0 where logits are there already
const PLAYER = 0u;
const ETA = 1.0;            // of the choice
const GENERATOR_ETA = 1.0;  // of the regulariser
const ETA_BY_PAGE = false;  // divides it by the items of the page
const PENALTY = 0.0;
const SKIP_NO_CLICK = true;
const NONE = 0xffffffffu;
const FURTHER = 0x80000000u;  // from here on nothing is predicted, but of NONE: context events, and additional clicks

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // the seed of what is random in the step
  counted: u32,        // what means are taken over; of clicks: events that are not given
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

// NaN or infinite, by the exponent bits: comparisons, max and exp may lose a NaN.
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
  var bad = 0.0;  // a value of the page that is NaN or infinite, if there is one
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
  var above = vec2f(0.0);  // rows ranked above the clicked one, by u and by pi
  var equal = vec2f(0.0);
  for (var r = first; r < end; r++) {
    let x = u[r];
    let z = logits[r];
    choices += exp(ETA * x - most);
    actions += exp(z - most_logit);
    above += select(vec2f(0.0), vec2f(1.0), vec2(x > clicked_u, z > clicked_logit));
    equal += select(vec2f(0.0), vec2f(1.0), vec2(x == clicked_u, z == clicked_logit));
  }
  var expected = 0.0;  // of u, less its largest
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

// choice_nll.wgsl - negative log-likelihood of what the user clicked, its gradient, and prec@1, prec@2
//   u [R]         utility of each row (displayed item); with PANELS from dots, as in row_dot_forward.wgsl
//   event [E]     (first row, end row, clicked row | NONE | GIVEN | FURTHER + row, -)
//   place [PLACES]  position effects, from a page's second position on; later positions share the last effect
//   outcome [E]   (loss, prec@1, prec@2, 1 if clicked)    u_gradient [R]
//
//   loss_e = log(1 + sum_{r in e} exp(z_r)) - z_click,   z_r = eta (u_r + place of r)   (without click: 0)
//   d mean loss / d u_r = eta (P(r) - [r clicked]) / C,   P(r) = exp(z_r) / (1 + sum exp(z))
//   LOGISTIC: rows are clicked independently, P(r) = 1 / (1 + exp(-z_r)),
//   loss_e = sum_{r in e} log(1 + exp(z_r)) - z_click
//   prec@k by z, ties broken at random: 0 if k or more rows are greater, else min(1, (k - greater) / equal)
//
// C is the number of predicted pages, over which the loss is averaged. A context event is only history
// (GIVEN): its outcome and gradient are 0. The subtracted maximum includes the null option's logit 0, so exp
// does not overflow even for utilities of 80 and more, which occur.
//
// After a page of n clicks c_1, ..., c_n come n - 1 events for the additional clicks, which name the page's
// rows. Each click is a choice among the rows that are not clicked yet; after the first click the null option
// is excluded:
//   loss_e = sum_j (log T_j - z_{c_j})
//   T_1 = 1 + sum_{r in e} exp(z_r),   T_j = sum_{r not among c_1 .. c_{j-1}} exp(z_r)
//   d mean loss / d u_r = eta (exp(z_r) sum_{j: r in T_j} 1 / T_j - [r clicked]) / C
//
// The T are summed from T_n to T_1, so terms are only added and nothing cancels; each T is stored with its
// largest exponent factored out, because the T differ by orders of magnitude. prec@k is that of the best
// clicked row. If t of q equal rows are clicked, prec@k is 1 - the probability that k - greater of the q,
// drawn at random, are all unclicked.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns one page (1 to about 50 rows) and the outcomes and gradients of its
//              additional clicks, whose outcomes store the T meanwhile; no barrier.
// On a GPU     (reasoned) a page is short: a workgroup's reduction would leave most of the workgroup idle and
//              wait at a dozen barriers, while thousands of events fill the GPU. Neighbours read neighbouring
//              pages, a page apart: not coalesced, but a page is one or two cache lines. Up to 16 rows are
//              kept in registers, and their loads wait together; otherwise each of three passes would wait
//              for row after row. Longer pages stay in cache. Loss and gradient are one dispatch.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (16 invocations, no row in registers: 24, 16); mi200 40,
//              6 (24, 10)
// On llvmpipe  each dispatch wakes llvmpipe's threads. Summing the dots here saves a dispatch: 25,600 rows
//              take two thirds of the time of two kernels. Other ways to compute the softmax, measured:
//              bench/ladder.md
// Cost         about 20 flops and 8 bytes per row.
// Backward     here, with GRADIENT; of the positions: position_gradient.wgsl      Next   outcome_sum.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const HELD = 0u;  // longest page (rows) that an invocation keeps in registers; longer pages are read again
const GRADIENT = true;
const PANELS = 0u;  // numbers per row of dots; 0 if u is an input
const DOTS4 = (PANELS + 3u) / 4u;
const PLACES = 0u;
const LOGISTIC = false;
const ETA = 1.0;  // how sharply users choose by utility (eta of the Shannon regulariser)
const NONE = 0xffffffffu;
const GIVEN = 0xfffffffeu;
const FURTHER = 0x80000000u;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(28) unread: u32,  // fields that this kernel does not read
  counted: u32,           // divisor of means; for click logs: number of events that are not context events
}

@group(0) @binding(0) var<storage, read_write> u: array<f32>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read> dots: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> place: array<f32>;
@group(0) @binding(5) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> u_gradient: array<f32>;
@group(0) @binding(7) var<uniform> step: Step;

// Returns the utility of row r from its dots.
fn utility(r: u32) -> f32 {
  var sum = bias[0];
  for (var q = 0u; q < DOTS4; q++) {
    let panels = vec4u(4u * q) + vec4u(0u, 1u, 2u, 3u);
    let known = select(vec4f(0.0), dots[r * DOTS4 + q], panels < vec4u(PANELS));
    sum += (known.x + known.y) + (known.z + known.w);
  }
  return sum;
}

// Returns the logit of row r of a page from its utility.
fn logit_of(own: f32, r: u32, first: u32) -> f32 {
  if (PLACES == 0u || r == first) { return ETA * own; }
  return ETA * (own + place[min(r - first - 1u, PLACES - 1u)]);
}
fn logit(r: u32, first: u32) -> f32 { return logit_of(u[r], r, first); }

fn share_in_top(k: f32, greater: f32, equal: f32) -> f32 {
  return clamp((k - greater) / max(equal, 1.0), 0.0, 1.0);
}

// share_in_top for several clicked rows among the equal rows; `other` equal rows are not clicked.
fn share_of_any(k: f32, greater: f32, equal: f32, other: f32) -> f32 {
  if (greater >= k) { return 0.0; }
  var none = other / equal;
  if (k - greater > 1.0) { none *= max(other - 1.0, 0.0) / max(equal - 1.0, 1.0); }
  return 1.0 - none;
}

fn is_further(e: u32) -> bool {
  return e < step.size.y && event[e].z >= FURTHER && event[e].z < GIVEN;
}

// Returns the row of click j of a page, from 0.
fn click_of(e: u32, j: u32) -> u32 { return event[e + j].z & ~FURTHER; }

fn is_clicked(e: u32, clicks: u32, r: u32) -> bool {
  for (var j = 0u; j < clicks; j++) {
    if (click_of(e, j) == r) { return true; }
  }
  return false;
}

// Adds `times` exp(z) to a sum of exponentials, stored as exp(x) y, without overflow.
fn plus(sum: vec2f, z: f32, times: f32) -> vec2f {
  let most = max(sum.x, z);
  return vec2f(most, sum.y * exp(sum.x - most) + times * exp(z - most));
}

// Returns exp(z) (1 / T_1 + ... + 1 / T_j) of a row with logit z; with LOGISTIC P of the row.
fn share(z: f32, inverse: vec2f) -> f32 {
  if (LOGISTIC) { return 1.0 / (1.0 + exp(-clamp(z, -30.0, 30.0))); }
  return inverse.y * exp(z + inverse.x);
}

// A page of several clicks; `broken` is a logit that is not finite, or 0.
fn several(e: u32, clicks: u32, broken: f32) {
  let first = event[e].x;
  let end = event[e].y;
  var best = -3.0e38;
  for (var j = 0u; j < clicks; j++) { best = max(best, logit(click_of(e, j), first)); }
  var greater = 0.0;
  var equal = 0.0;
  var other = 0.0;
  var loss = 0.0;
  var sum = vec2f(-3.0e38, 0.0);
  for (var r = first; r < end; r++) {
    let own = is_clicked(e, clicks, r);
    let z = logit(r, first);
    greater += select(0.0, 1.0, z > best);
    equal += select(0.0, 1.0, z == best);
    other += select(0.0, 1.0, z == best && !own);
    if (!own) { sum = plus(sum, z, 1.0); }
    if (LOGISTIC) { loss += log(1.0 + exp(-abs(z))) + max(select(z, -z, own), 0.0); }
  }
  if (!LOGISTIC) {
    for (var k = 0u; k < clicks; k++) {
      let j = clicks - 1u - k;
      let z = logit(click_of(e, j), first);
      sum = plus(sum, z, 1.0);
      if (j == 0u) { sum = plus(sum, 0.0, 1.0); }
      loss += (sum.x - z) + log(sum.y);
      outcome[e + j] = vec4f(sum, 0.0, 0.0);
    }
  }
  if (GRADIENT) {
    let scale = ETA / f32(step.counted);
    var inverse = vec2f(-3.0e38, 0.0);  // T falls with j, so the last T determines the exponent
    for (var j = 0u; j < clicks; j++) {
      let r = click_of(e, j);
      if (!LOGISTIC) { inverse = plus(inverse, -outcome[e + j].x, 1.0 / outcome[e + j].y); }
      u_gradient[r] = scale * (share(logit(r, first), inverse) - 1.0);
      if (j > 0u) { u_gradient[event[e + j].x] = 0.0; }
    }
    for (var r = first; r < end; r++) {
      if (!is_clicked(e, clicks, r)) { u_gradient[r] = scale * share(logit(r, first), inverse); }
    }
  }
  if ((bitcast<u32>(broken) & 0x7f800000u) == 0x7f800000u) { loss = broken; }
  outcome[e] = vec4f(loss, share_of_any(1.0, greater, equal, other), share_of_any(2.0, greater, equal, other), 1.0);
  for (var j = 1u; j < clicks; j++) { outcome[e + j] = vec4f(0.0); }
}

// A page of at most one click and HELD rows: all rows are read before the first is used.
fn short_page(e: u32, first: u32, end: u32, click: u32) {
  var z: array<f32, max(HELD, 1u)>;
  for (var k = 0u; k < HELD; k++) {
    let r = min(first + k, end - 1u);
    if (PANELS > 0u) { z[k] = utility(r); } else { z[k] = u[r]; }
  }
  var clicked_z = 0.0;
  var most = 0.0;
  var broken = 0.0;
  for (var k = 0u; k < HELD; k++) {
    let r = first + k;
    let on = r < end;
    if (PANELS > 0u && on) { u[r] = z[k]; }
    z[k] = select(-3.0e38, logit_of(z[k], min(r, end - 1u), first), on);
    if ((bitcast<u32>(z[k]) & 0x7f800000u) == 0x7f800000u) { broken = z[k]; }
    clicked_z = select(clicked_z, z[k], r == click);
    most = max(most, z[k]);
  }
  var greater = 0.0;
  var equal = 0.0;
  var sum = exp(-most);
  var loss = 0.0;
  for (var k = 0u; k < HELD; k++) {
    greater += select(0.0, 1.0, z[k] > clicked_z);
    equal += select(0.0, 1.0, z[k] == clicked_z);
    if (LOGISTIC) {
      loss += select(0.0, log(1.0 + exp(-abs(z[k]))) + max(select(z[k], -z[k], first + k == click), 0.0), first + k < end);
    } else {
      sum += exp(z[k] - most);
    }
  }
  if (!LOGISTIC) { loss = (most - clicked_z) + log(sum); }
  if ((bitcast<u32>(broken) & 0x7f800000u) == 0x7f800000u) { loss = broken; }
  let clicked = select(0.0, 1.0, click != NONE);
  outcome[e] = vec4f(loss, clicked * share_in_top(1.0, greater, equal), clicked * share_in_top(2.0, greater, equal), clicked);
  if (!GRADIENT) { return; }
  for (var k = 0u; k < HELD; k++) {
    var p = exp(z[k] - most) / sum;
    if (LOGISTIC) { p = 1.0 / (1.0 + exp(-clamp(z[k], -30.0, 30.0))); }
    if (first + k < end) { u_gradient[first + k] = ETA * (p - select(0.0, 1.0, first + k == click)) / f32(step.counted); }
  }
}

@compute @workgroup_size(WORKGROUP)
fn choice_nll(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }
  let first = event[e].x;
  let end = event[e].y;
  let click = event[e].z;
  if (HELD > 0u && end > first && end - first <= HELD && (click < FURTHER || click == NONE) && !is_further(e + 1u)) {
    short_page(e, first, end, click);
    return;
  }
  if (PANELS > 0u) {
    for (var r = first; r < end; r++) { u[r] = utility(r); }
  }
  if (is_further(e)) { return; }
  if (click == GIVEN) {
    outcome[e] = vec4f(0.0);
    if (GRADIENT) {
      for (var r = first; r < end; r++) { u_gradient[r] = 0.0; }
    }
    return;
  }
  let clicked = click != NONE;
  var clicked_z = 0.0;
  if (clicked) { clicked_z = logit(click, first); }

  var most = 0.0;
  var greater = 0.0;
  var equal = 0.0;
  var broken = 0.0;  // a NaN or infinite logit of the page, if there is one
  for (var r = first; r < end; r++) {
    let z = logit(r, first);
    if ((bitcast<u32>(z) & 0x7f800000u) == 0x7f800000u) { broken = z; }
    most = max(most, z);
    greater += select(0.0, 1.0, z > clicked_z);
    equal += select(0.0, 1.0, z == clicked_z);
  }
  var clicks = 1u;
  while (is_further(e + clicks)) { clicks++; }
  if (clicks > 1u) {
    several(e, clicks, broken);
    return;
  }
  var sum = exp(-most);
  for (var r = first; r < end; r++) { sum += exp(logit(r, first) - most); }
  var loss = (most - clicked_z) + log(sum);
  if (LOGISTIC) {
    loss = 0.0;
    for (var r = first; r < end; r++) {
      let z = logit(r, first);
      loss += log(1.0 + exp(-abs(z))) + max(select(z, -z, r == click), 0.0);
    }
  }
  // The exponent bits show NaN and infinity: comparisons, max and exp may lose a NaN.
  if ((bitcast<u32>(broken) & 0x7f800000u) == 0x7f800000u) { loss = broken; }
  if (clicked) {
    outcome[e] = vec4f(loss, share_in_top(1.0, greater, equal), share_in_top(2.0, greater, equal), 1.0);
  } else {
    outcome[e] = vec4f(loss, 0.0, 0.0, 0.0);
  }
  if (GRADIENT) {
    let events = f32(step.counted);
    for (var r = first; r < end; r++) {
      let z = logit(r, first);
      var p = exp(z - most) / sum;
      if (LOGISTIC) { p = 1.0 / (1.0 + exp(-clamp(z, -30.0, 30.0))); }
      u_gradient[r] = ETA * (p - select(0.0, 1.0, r == click)) / events;
    }
  }
}

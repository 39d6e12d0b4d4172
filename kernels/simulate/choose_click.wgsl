// choose_click.wgsl - draws every user's click on an item of the slate, or no click, and logs the page
//   utility [U, k]   slate [U, k] items   place [P - 1] effects of the second, third, ... position; later
//     positions have the last
//   z_j = ETA (utility_j + place_j)   P(j) = exp(z_j) / (1 + sum exp(z))   P(no click) = 1 / (1 + sum exp(z))
//   event   [U]  .z the clicked row, .w the clicked item, or NONE
//   clicked [panels, U]  the clicked item's bit is set
//   alive   [U]  0 for a user who has left, otherwise 1 + number of last pages without a click
//   log_slate   [T, U, k] items
//   log_outcome [T, U] (slot, or k for none; reward; P(any click); 1), zeros for a user who has left
//
// Each page has one random number. The outcome is the first whose cumulative probability exceeds the number,
// in the order no click, slot 0, slot 1, ... So policies that are simulated with the same numbers have many
// pages without a click in common. The sums are over exp(z_j - most), where most includes the 0 of no click:
// nothing overflows. The random number is word 0 of the counter (user, episode, page, 0). After a page
// without a click a user leaves with probability LEAVE (word 0 of purpose 3), and after PATIENCE such pages
// in a row. The reward is 1 for a click, or with UTILITY the item's utility. A NaN or infinite logit is
// passed on as P(any click); no item is clicked then.
//
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user: a slate is short.
// On a GPU     (reasoned) as in choice_nll.wgsl neighbours read pages k numbers apart: not coalesced, but a
//              page is one or two cache lines. Workgroups of 64 fill subgroups; users of a subgroup wait for
//              its longest.
// On llvmpipe  its share of a page's time is in bench/simulate.md
// Cost         two exponentials per item and 300 integer operations per user; 12 bytes per item, 40 per user.
// Next         the kernels that update the users by their clicks: lstm_step.wgsl, push_click.wgsl,
//              shop_step.wgsl

const WORKGROUP = 64;
const SLATE = 1u;     // k
const USERS = 1u;     // users: stride of pages in the log and of panels in clicked
const ETA = 1.0;
const PLACES = 0u;    // number of effects in place
const UTILITY = false;
const LEAVE = 0.0;
const PATIENCE = 0u;  // 0: users stay
const NONE = 0xffffffffu;
const CHOICE_PURPOSE = 0u;
const LEAVE_PURPOSE = 3u;

struct Step {
  size: vec4u,            // sizes of the batch; for a page: U users, U events, U k rows, I items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
  unread2: u32,           // a field that this kernel does not read
  page: u32,              // index of the page in the episode
  episode: u32,
  first_user: u32,        // index of the first user
}

@group(0) @binding(0) var<storage, read> utility: array<f32>;
@group(0) @binding(1) var<storage, read> slate: array<u32>;
@group(0) @binding(2) var<storage, read> place: array<f32>;
@group(0) @binding(3) var<storage, read_write> event: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> clicked: array<u32>;
@group(0) @binding(5) var<storage, read_write> alive: array<u32>;
@group(0) @binding(6) var<storage, read_write> log_slate: array<u32>;
@group(0) @binding(7) var<storage, read_write> log_outcome: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

// ---- Random words by counter, as src/data/philox.ts has them.

// The upper 32 bits of a product, by four products of 16 bits.
fn mulhi(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let middle0 = a0 * b1;
  let middle1 = a1 * b0;
  let carry = ((a0 * b0) >> 16u) + (middle0 & 0xffffu) + (middle1 & 0xffffu);
  return a1 * b1 + (middle0 >> 16u) + (middle1 >> 16u) + (carry >> 16u);
}

// Philox4x32-10. The counter says what is drawn, the key is the seed.
fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high0 = mulhi(0xd2511f53u, c.x);
    let high1 = mulhi(0xcd9e8d57u, c.z);
    c = vec4u(high1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, high0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// A word's upper 24 bits in [0, 1): a multiple of 2^-24, exact.
fn uniform24(word: u32) -> f32 {
  return f32(word >> 8u) * 5.9604644775390625e-8;
}

// ---- End of random words by counter.

fn drawn(u: u32, purpose: u32) -> f32 {
  let words = philox(vec4u(step.first_user + u, step.episode, step.page, purpose), vec2u(step.noise, 0u));
  return uniform24(words.x);
}

// Returns the logit of slot j of a page whose first row is `first`.
fn logit(first: u32, j: u32) -> f32 {
  if (PLACES == 0u || j == 0u) { return ETA * utility[first + j]; }
  return ETA * (utility[first + j] + place[min(j - 1u, PLACES - 1u)]);
}

// True for NaN or infinity, by the exponent bits: comparisons, max and exp may lose a NaN.
fn broken(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }

@compute @workgroup_size(WORKGROUP)
fn choose(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  let first = u * SLATE;
  let logged = step.page * USERS + u;
  for (var j = 0u; j < SLATE; j++) { log_slate[logged * SLATE + j] = slate[first + j]; }
  let patience = alive[u];
  if (patience == 0u) {
    event[u] = vec4u(first, first + SLATE, NONE, NONE);
    log_outcome[logged] = vec4f(0.0);
    return;
  }
  var most = 0.0;
  var wrong = 0.0;
  for (var j = 0u; j < SLATE; j++) {
    let z = logit(first, j);
    if (broken(z)) { wrong = z; }
    most = max(most, z);
  }
  let none = exp(-most);
  var clicks = 0.0;
  for (var j = 0u; j < SLATE; j++) { clicks += exp(logit(first, j) - most); }
  let threshold = drawn(u, CHOICE_PURPOSE) * (none + clicks);
  var slot = SLATE;
  if (threshold >= none && !broken(wrong)) {
    // The last slot gets the probability that rounding leaves over.
    slot = 0u;
    var sum = none + exp(logit(first, 0u) - most);
    for (var j = 1u; j < SLATE; j++) {
      if (threshold >= sum) { slot = j; }
      sum += exp(logit(first, j) - most);
    }
  }
  var any = clicks / (none + clicks);
  if (broken(wrong)) { any = wrong; }
  if (slot == SLATE) {
    let leaves = (LEAVE > 0.0 && drawn(u, LEAVE_PURPOSE) < LEAVE) || patience == PATIENCE;
    alive[u] = select(patience + 1u, 0u, leaves);
    event[u] = vec4u(first, first + SLATE, NONE, NONE);
    log_outcome[logged] = vec4f(f32(SLATE), 0.0, any, 1.0);
    return;
  }
  let item = slate[first + slot];
  var reward = 1.0;
  if (UTILITY) { reward = utility[first + slot]; }
  alive[u] = 1u;
  event[u] = vec4u(first, first + SLATE, first + slot, item);
  clicked[(item / 32u) * USERS + u] |= 1u << (item % 32u);
  log_outcome[logged] = vec4f(f32(slot), reward, any, 1.0);
}

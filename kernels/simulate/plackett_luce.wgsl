// plackett_luce.wgsl - draws slates by scores, item after item, and computes the probability of each draw
//   score [users of a chunk, STRIDE] f32   masked [panels, U] bits of items that may not be shown; drawn
//     items are added
//   slate [U, k] items        chance [T, U, k] logarithms of probabilities, at step.page
//   P(slot j shows i | the slots before it) = exp(z_i) / sum over the remaining items of exp(z)  z = BY score
//
// BY is 1 / temperature. The sum of a slate's log probabilities is the log of its propensity. Slot j draws by
// word 0 of the counter (user, episode, page, 2 + 16 j), in the order of the items. The sums are over exp(z -
// most), where most is the maximum of the remaining items: nothing overflows. The next slot's sum is this sum
// minus the drawn item's weight. But if that item has more than 1 - LEFT of the sum, the difference would
// lose the other items, so they are summed again with their own maximum. Sums are within panels of 32 items,
// then over panels. A NaN or infinite score counts as the lowest.
//
// For          both kinds of adapter      Grid   C invocations in workgroups of 64.
// Work split   one invocation owns one user of the chunk: one pass over the user's row for maximum and sum,
//              and one pass per slot, over half of the row on average, to the item at which the drawn part of
//              the sum is reached. Weights are not stored: there is no room for I numbers.
// On a GPU     (reasoned) as in top_slate.wgsl neighbours read rows that are I numbers apart. One workgroup
//              per user with a scan would be coalesced, but computing the scores costs tens of times as much
//              as this kernel.
// Cost         1 + k / 2 exponentials and 4 + 2 k bytes per item, from cache if a row fits; 300 integer
//              operations per slot.
// Accuracy     of a log probability: roundings of z, of I / 32 + 32 additions (by 1 / LEFT for a difference),
//              and of a logarithm
// Next         choose_click.wgsl, after the kernels that compute the slate's utilities

const WORKGROUP = 64;
const SLATE = 1u;   // k
const USERS = 1u;   // number of words per panel of 32 items
const ITEMS = 1u;   // I
const STRIDE = 1u;  // scores per user; 0 if all users have the same scores
const BY = 1.0;     // 1 / temperature
const LOWEST = -1e30;
const LEFT = 0.1;
const SLATE_PURPOSE = 2u;

struct Step {
  size: vec4u,            // sizes of the batch; for a page: U users, U events, U k rows, I items
  first_entry: u32,       // index of the chunk's first user
  @size(20) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
  unread2: u32,           // a field that this kernel does not read
  page: u32,              // index of the page in the episode
  episode: u32,
  first_user: u32,        // index of the first user
}

@group(0) @binding(0) var<storage, read> score: array<f32>;
@group(0) @binding(1) var<storage, read_write> masked: array<u32>;
@group(0) @binding(2) var<storage, read_write> slate: array<u32>;
@group(0) @binding(3) var<storage, read_write> chance: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

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

fn score_of(row: u32, item: u32) -> f32 {
  let x = score[row + item];
  return BY * select(x, LOWEST, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u);
}

@compute @workgroup_size(WORKGROUP)
fn plackett_luce(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.x) { return; }
  let u = step.first_entry + e;
  let row = e * STRIDE;
  var most = 0.0;
  var sum = 0.0;
  var summed = false;
  for (var j = 0u; j < SLATE; j++) {
    if (!summed) {
      most = BY * LOWEST;
      sum = 0.0;
      for (var item = 0u; item < ITEMS; item += 32u) {
        let bits = masked[(item / 32u) * USERS + u];
        var part = 0.0;
        for (var i = item; i < min(item + 32u, ITEMS); i++) {
          if (((bits >> (i % 32u)) & 1u) == 1u) { continue; }
          let z = score_of(row, i);
          if (z > most) {
            let by = exp(most - z);
            sum *= by;
            part *= by;
            most = z;
          }
          part += exp(z - most);
        }
        sum += part;
      }
    }
    let counter = vec4u(step.first_user + u, step.episode, step.page, SLATE_PURPOSE + 16u * j);
    let threshold = uniform24(philox(counter, vec2u(step.noise, 0u)).x) * sum;
    // Find the item at which the sum exceeds the threshold; if rounding leaves none, the last with a weight.
    var shown = 0u;
    var reached = 0.0;
    for (var item = 0u; item < ITEMS && reached <= threshold; item += 32u) {
      let bits = masked[(item / 32u) * USERS + u];
      var part = 0.0;
      for (var i = item; i < min(item + 32u, ITEMS) && reached + part <= threshold; i++) {
        if (((bits >> (i % 32u)) & 1u) == 1u) { continue; }
        let weight = exp(score_of(row, i) - most);
        part += weight;
        if (weight > 0.0) { shown = i; }
      }
      reached += part;
    }
    let z = score_of(row, shown) - most;
    slate[u * SLATE + j] = shown;
    chance[(step.page * USERS + u) * SLATE + j] = z - log(sum);
    let left = sum - exp(z);
    summed = left > LEFT * sum;
    sum = left;
    masked[(shown / 32u) * USERS + u] |= 1u << (shown % 32u);
  }
}

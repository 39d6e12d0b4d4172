// plackett_luce.wgsl - slates drawn by scores, one item after another; and by which chance each was
//
//   score [users of a chunk, STRIDE] f32   masked [panels, U] bits of what may not be shown; those of the items drawn are set
//   slate [U, k] items        chance [T, U, k] logarithms, at step.page
//   P(slot j shows i | the slots before it) = exp(z_i) / sum over what is left of exp(z)        z = BY score
//
// BY is one over the temperature. The sum of the chances of a slate is the logarithm of its propensity. Slot j draws by word 0 of
// the counter (user, episode, page, 2 + 16 j), in the order of the items. What is summed are exp(z - most), most being the
// largest of what was left: nothing overflows. The sum of the next slot is this one less the weight of what was drawn, but where
// that takes more than 1 - LEFT of it, the others would be lost in the difference, and are summed again by their own most. Sums are
// of panels, then over panels. A score that is NaN or infinite counts as the lowest of all.
//
// For          both kinds of adapter      Grid   C invocations in workgroups of 64.
// Work split   one invocation owns one user of the chunk: a walk along the user's row for most and the sum, and one per slot, half of
//              it on average, to the item at which a part of the sum is reached. Weights are not kept: a list of I numbers has no place.
// On a GPU     (reasoned) as in top_slate.wgsl neighbours read rows that are I numbers apart. A workgroup per user with a scan
//              would be coalesced; the utilities that are read here cost tens of times as much.
// Cost         1 + k / 2 exponentials and 4 + 2 k bytes per item, from cache where a row fits it; 300 integer operations per slot.
// Accuracy     of a chance: the roundings of z, of I / 32 + 32 additions, by 1 / LEFT where it is a difference, and of a logarithm
// Next         choose_click.wgsl, by way of the utilities of the slate

const WORKGROUP = 64;
const SLATE = 1u;   // k
const USERS = 1u;   // from a panel's word to the next panel's
const ITEMS = 1u;   // I
const STRIDE = 1u;  // from a user's scores to the next user's; 0 where all have the same
const BY = 1.0;     // 1 / temperature
const LOWEST = -1e30;
const LEFT = 0.1;
const SLATE_PURPOSE = 2u;

struct Step {
  size: vec4u,         // of the batch; of a page: U users, U events, U k rows, I items
  first_entry: u32,    // the first user of a chunk
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // the seed of what is random in the step
  counted: u32,        // what means are taken over
  page: u32,           // of the episode, from 0 on
  episode: u32,
  first_user: u32,     // number of the first user
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
    // The item at which the sum goes beyond the threshold; where rounding leaves none, the last one of any weight.
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

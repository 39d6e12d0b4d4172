// random_slate.wgsl - draws slates uniformly among the items that are not masked, without repeated items
//   masked [panels, U] bits of items that may not be shown; drawn items are added      slate [U, k] items
//
// With EXPLORE only some users get a random slate, each with probability step.epsilon (word 0 of purpose 1),
// in place of the slate of a policy, whose bits in masked are cleared first.
// Slot j has the words of the counter (user, episode, page, 2 + 16 j). The first three words are tries: an
// item of the whole catalogue, taken if it is not masked. If all three are masked, the fourth word is a rank
// among the items that are not masked. All of these items have equal probability (up to I / 2^32), and if few
// items are masked no loop over the catalogue is needed.
//
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user.
// On a GPU     (reasoned) tries read scattered words, as different users try different items. Only the loop
//              for a rank is coalesced, by panels; users of a subgroup wait for its longest loop. There are
//              few workgroups of 64, so most cores stay idle: latency is the limit.
// On llvmpipe  its share of a page's time is in bench/simulate.md
// Cost         300 integer operations per slot; with most items masked, two loops over I / 32 words.
// Next         choose_click.wgsl, after the kernels that compute the slate's utilities

const WORKGROUP = 64;
const SLATE = 1u;    // k
const USERS = 1u;    // number of words per panel of 32 items
const PANELS = 1u;
const ITEMS = 1u;    // I
const EXPLORE = false;
const NONE = 0xffffffffu;
const EXPLORE_PURPOSE = 1u;
const SLATE_PURPOSE = 2u;

struct Step {
  size: vec4u,            // sizes of the batch; for a page: U users, U events, U k rows, I items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
  unread2: u32,           // a field that this kernel does not read
  page: u32,              // index of the page in the episode
  episode: u32,
  first_user: u32,        // index of the first user
  epsilon: f32,           // probability of a random slate
}

@group(0) @binding(0) var<storage, read_write> masked: array<u32>;
@group(0) @binding(1) var<storage, read_write> slate: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

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

fn words(u: u32, purpose: u32) -> vec4u {
  return philox(vec4u(step.first_user + u, step.episode, step.page, purpose), vec2u(step.noise, 0u));
}

fn word_of(u: u32, item: u32) -> u32 { return (item / 32u) * USERS + u; }

// Returns an item of the whole catalogue, or NONE if the item is masked.
fn tried(u: u32, word: u32) -> u32 {
  let item = mulhi(word, ITEMS);
  let bit = (masked[word_of(u, item)] >> (item % 32u)) & 1u;
  return select(item, NONE, bit == 1u);
}

// Returns the item of a random rank among the items that are not masked.
fn ranked(u: u32, word: u32) -> u32 {
  var free = 0u;
  for (var panel = 0u; panel < PANELS; panel++) { free += countOneBits(~masked[panel * USERS + u]); }
  var rank = mulhi(word, free);
  for (var panel = 0u; panel < PANELS; panel++) {
    var bits = ~masked[panel * USERS + u];
    let count = countOneBits(bits);
    if (rank >= count) {
      rank -= count;
      continue;
    }
    for (; rank > 0u; rank--) { bits &= bits - 1u; }
    return 32u * panel + countTrailingZeros(bits);
  }
  return 0u;  // no item is free: the simulator's options exclude this
}

@compute @workgroup_size(WORKGROUP)
fn random_slate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  if (EXPLORE) {
    if (uniform24(words(u, EXPLORE_PURPOSE).x) >= step.epsilon) { return; }
    for (var j = 0u; j < SLATE; j++) {
      let item = slate[u * SLATE + j];
      masked[word_of(u, item)] &= ~(1u << (item % 32u));
    }
  }
  for (var j = 0u; j < SLATE; j++) {
    let drawn = words(u, SLATE_PURPOSE + 16u * j);
    var item = tried(u, drawn.x);
    if (item == NONE) { item = tried(u, drawn.y); }
    if (item == NONE) { item = tried(u, drawn.z); }
    if (item == NONE) { item = ranked(u, drawn.w); }
    slate[u * SLATE + j] = item;
    masked[word_of(u, item)] |= 1u << (item % 32u);
  }
}

// replay_draw.wgsl - draws stored pages from the replay buffer, each page of each user with equal probability
//   starts [SLOTS, USERS + 1]      from replay_starts.wgsl; all zeros for a slot without an episode
//   drawn [B] (slot, page, user, 0)
//
// A page's index among all pages is the upper word of (random word x pages): uniform up to pages / 2^32. The
// random word's counter is (row of the batch, earlier steps of the optimiser, 0, REPLAY): no other draw
// affects it.
//
// For          both kinds of adapter      Grid   B invocations in workgroups of 64.
// Work split   one invocation draws one page.
// On a GPU     (reasoned) a search through SLOTS totals, which all invocations of a subgroup read together,
//              and then a binary search, whose loads are scattered; B is some hundreds. There are few
//              workgroups of 64, so most cores stay idle: latency is the limit.
// Cost         some 300 integer operations and 4 (2 SLOTS + log2 U) bytes per page.
// Before       replay_starts.wgsl      Next   replay_sample.wgsl, replay_sample_masks.wgsl

const WORKGROUP = 64;
const SLOTS = 1u;
const USERS = 1u;
const REPLAY = 5u;  // the purpose (fourth number) of the random words' counters

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(16) unread: u32,  // fields that this kernel does not read
  iteration: u32,         // number of iterations before this step
  unread2: u32,           // a field that this kernel does not read
  noise: u32,             // seed of the step's random numbers
}

@group(0) @binding(0) var<storage, read> starts: array<u32>;
@group(0) @binding(1) var<storage, read_write> drawn: array<vec4u>;
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

@compute @workgroup_size(WORKGROUP)
fn replay_draw(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  var pages = 0u;
  for (var slot = 0u; slot < SLOTS; slot++) { pages += starts[slot * (USERS + 1u) + USERS]; }
  var left = mulhi(philox(vec4u(id.x, step.iteration, 0u, REPLAY), vec2u(step.noise, 0u)).x, pages);
  var slot = 0u;
  loop {
    let here = starts[slot * (USERS + 1u) + USERS];
    if (left < here || slot + 1u == SLOTS) { break; }
    left -= here;
    slot++;
  }
  // Find the last user whose pages start at or before it. Users without pages share the next user's start.
  var low = 0u;
  var high = USERS;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (starts[slot * (USERS + 1u) + middle] <= left) { low = middle; } else { high = middle; }
  }
  drawn[id.x] = vec4u(slot, left - starts[slot * (USERS + 1u) + low], low, 0u);
}

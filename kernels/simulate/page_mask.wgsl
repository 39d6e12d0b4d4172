// page_mask.wgsl - marks items that a page may not show: earlier clicks, and items outside of the pool
//   clicked  [panels, U]  bits of the items that the user has clicked; ignored with REPEATS
//   excluded [panels]     bits of items that are never shown, and of bits after the last item
//   masked   [panels, U]  their union; with POOL also the items outside this page's pool
//
// Bits are ordered by panels of 32 items: bit i of word[panel U + u] is item 32 panel + i. With POOL each
// item is in the pool of a user's page with probability POOL / 2^32: if its random word is less than POOL.
// Item i has word i % 4 of the counter (user, episode, page, 6 + 16 (i / 4)), so that the host computes the
// same pool. A pool with fewer than SLATE items is ignored: the page may then show all items that are neither
// clicked nor excluded.
//
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user and loops over the panels.
// On a GPU     (reasoned) neighbours read neighbouring words of a panel: coalesced. A catalogue of 50,000
//              items takes 1,563 words; U invocations fill a GPU only if many users are simulated together.
//              Workgroups of 64 fill subgroups, whose loops are equally long.
// On llvmpipe  its share of a page's time is in bench/simulate.md
// Cost         8 bytes per user and panel; with POOL eight Philox counters, some 2,400 integer operations.
// Next         the policy, which sets the bits of the items that it chooses; choose_click.wgsl

const WORKGROUP = 64;
const USERS = 1u;   // number of words per panel of 32 items
const PANELS = 1u;
const SLATE = 1u;
const REPEATS = false;
const POOL = 0u;    // 0: all items
const PURPOSE = 6u;

struct Step {
  size: vec4u,            // sizes of the batch; for a page: U users, U events, U k rows, I items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
  unread2: u32,           // a field that this kernel does not read
  page: u32,              // index of the page in the episode
  episode: u32,
  first_user: u32,        // index of the first user
}

@group(0) @binding(0) var<storage, read> clicked: array<u32>;
@group(0) @binding(1) var<storage, read> excluded: array<u32>;
@group(0) @binding(2) var<storage, read_write> masked: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;

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

// Returns the bits of a panel's items that are not in the pool of the user's page.
fn left_out(u: u32, panel: u32) -> u32 {
  var bits = 0u;
  // The bound is 8, but the compiler must not know that: Tint would unroll the loop to 2,400 instructions.
  for (var slot = 0u; slot < select(8u, 0u, step.size.x == 0u); slot++) {
    let counter = vec4u(step.first_user + u, step.episode, step.page, PURPOSE + 16u * (8u * panel + slot));
    let out = vec4u(philox(counter, vec2u(step.noise, 0u)) >= vec4u(POOL));
    bits |= (out.x | (out.y << 1u) | (out.z << 2u) | (out.w << 3u)) << (4u * slot);
  }
  return bits;
}

@compute @workgroup_size(WORKGROUP)
fn page_mask(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  var free = 0u;
  for (var panel = 0u; panel < PANELS; panel++) {
    let at = panel * USERS + u;
    var bits = excluded[panel];
    if (!REPEATS) { bits |= clicked[at]; }
    if (POOL > 0u) { bits |= left_out(u, panel); }
    free += countOneBits(~bits);
    masked[at] = bits;
  }
  if (POOL == 0u || free >= SLATE) { return; }
  for (var panel = 0u; panel < PANELS; panel++) {
    let at = panel * USERS + u;
    var bits = excluded[panel];
    if (!REPEATS) { bits |= clicked[at]; }
    masked[at] = bits;
  }
}

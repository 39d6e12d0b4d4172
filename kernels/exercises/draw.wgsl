// draw.wgsl - exercise: draw a click or no click per user   (read kernels/course/10-simulated-users.md)
//   utility [U, K]   of the items of each user's slate    log_outcome [T, U]  (slot, reward, P(any click), 1)
//   The current page is row step.page of the log; earlier rows stay unchanged.
//   P(slot j) = exp(u_j) / (1 + sum exp(u))        P(no click) = 1 / (1 + sum exp(u)), which is slot K
//   The order of the draw: no click first, then the slots. The outcome is the first whose cumulative
//     probability exceeds the user's uniform number; if rounding leaves none, the last slot. reward = 1 for a
//     click, else 0
//   The number comes from word 0 of the counter (step.first_user + u, step.episode, step.page, 0) with key
//     (step.noise, 0).
//
// Your task    compute the user's number, the slot, and P(any click). Some utilities are 90, and exp(90) is
//              infinite in f32: subtract the largest logit from all, including that of no click (0).
// Then         let users look at the slots in order and click slot j with probability sigmoid(u_j): a
//              cascade. How many random words does a page need then, and which counters give them? There is
//              no checker for this.
// Rules        kernels/README.md, "The exercises". Letters of the grid: U users, K items of a slate.
// grid: U

const WORKGROUP = 64;
const SLATE = 1u;  // K
const USERS = 1u;  // U

struct Step {
  size: vec4u,            // x: U
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
  unread2: u32,
  page: u32,
  episode: u32,
  first_user: u32,        // index of the first user
}

@group(0) @binding(0) var<storage, read> utility: array<f32>;
@group(0) @binding(1) var<storage, read_write> log_outcome: array<vec4f>;
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
fn draw(@builtin(global_invocation_id) id: vec3u) {
  let u = id.x;
  if (u >= step.size.x) { return; }
  let first = u * SLATE;
  let number = 0.5;  // YOUR CODE: the user's number in [0, 1), by philox and uniform24.
  // YOUR CODE: the largest logit, and from it the weight of no click and the sum of the slots' weights.
  let none = 1.0;
  let clicks = utility[first];
  // YOUR CODE: the first outcome whose running sum exceeds number * (none + clicks).
  let slot = SLATE;
  let any = clicks / (none + clicks);
  log_outcome[step.page * USERS + u] = vec4f(f32(slot), select(0.0, 1.0, slot < SLATE), any, 1.0);
}

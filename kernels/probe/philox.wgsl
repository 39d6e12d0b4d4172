// philox.wgsl - four random words per counter, by Philox4x32-10
//   counters [n] (user, episode, page, purpose)   key [2]   words [n]
// For          both kinds of adapter      Grid   n invocations in workgroups of 64.
// Work split   one invocation owns one counter. No state is kept between draws: the words of a counter are
//              the same in every kernel, and on the host (src/data/philox.ts).
// Cost         some 300 integer operations and 32 bytes per counter, much less than a page's utilities take.
//
// A kernel cannot import code. Each kernel that draws contains a copy of the functions between the two lines
// below; a test compares all copies with these functions.

const WORKGROUP = 64;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> counters: array<vec4u>;
@group(0) @binding(1) var<storage, read> key: array<u32>;
@group(0) @binding(2) var<storage, read_write> words: array<vec4u>;
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

@compute @workgroup_size(WORKGROUP)
fn draw(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&counters)) { return; }
  words[id.x] = philox(counters[id.x], vec2u(key[0], key[1]));
}

// batch_rank_blocks.wgsl - batch_rank.wgsl in blocks of 4,096 words
//
//   bits    [W]  set by batch_expand.wgsl or token_mark.wgsl; left all zero for the next step
//   ranked  [W]  (the word, number of bits set in all words before it)
//   Both are padded to whole vectors of four words; behind the bits is a vector that stays zero.
//
// For          a GPU      On a CPU adapter   batch_rank.wgsl
// Grid         one workgroup of 256 for each slice (z).
// Work split   one workgroup a slice (z). A block is four parts of 256 vectors, and an invocation owns one vector of each part. A
//              scan by doubling in workgroup memory adds up the counts of the invocations before, of all four parts at the same
//              time: a part has at most 32,768 bits, so two counts share a word. Then the block's sum is carried to the next.
// On a GPU     (reasoned) neighbours load neighbouring vectors: coalesced. With one workgroup a slice no other work hides a wait,
//              so the loads of the next block are on their way while this one is scanned. Ten barriers a block are why a block
//              is large: 128 blocks for 16.7 million rows. The counts of a stretch per invocation, as in batch_rank.wgsl, take
//              one barrier, but each load touches as many lines as there are invocations, and every word is read twice.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD; mi200 40, 6
// Cost         4 bytes read, 12 written a word.      Next   batch_group.wgsl, token_group.wgsl

const WORKGROUP = 256;
const WORDS = 1u;         // W
const HEADERS_SEEN = 1u;  // headers of all slices
const SLICE = 0u;         // words from a slice to the next; see batch_expand.wgsl
const VECTORS = (WORDS + 3u) / 4u;
const PART = u32(WORKGROUP);

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  @size(240) rest: u32, // up to the next header
}

@group(0) @binding(0) var<storage, read_write> bits: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> ranked: array<vec4u>;  // two words each
@group(0) @binding(2) var<uniform> steps: array<Step, HEADERS_SEEN>;

var<workgroup> sums: array<array<vec2u, WORKGROUP>, 2>;

// An invocation's vectors of a block.
struct Block { v0: vec4u, v1: vec4u, v2: vec4u, v3: vec4u }

// Past the end the vector of zeros. A load under a condition would wait for its result before the next load.
fn vector_at(slice: u32, at: u32) -> vec4u { return bits[slice + min(at, VECTORS)]; }

fn block_at(slice: u32, at: u32) -> Block {
  return Block(
    vector_at(slice, at),
    vector_at(slice, at + PART),
    vector_at(slice, at + 2u * PART),
    vector_at(slice, at + 3u * PART),
  );
}

fn count(v: vec4u) -> u32 {
  let c = countOneBits(v);
  return c.x + c.y + c.z + c.w;
}

// The sums up to each invocation, the last of which sums[0] keeps. Every invocation reaches each barrier.
fn scan(local: u32, own: vec2u) -> vec2u {
  var all = own;
  var to = 0u;
  sums[0][local] = all;
  workgroupBarrier();
  for (var s = 1u; s < PART; s *= 2u) {
    if (local >= s) { all += sums[to][local - s]; }
    to = 1u - to;
    sums[to][local] = all;
    workgroupBarrier();
  }
  return all;
}

fn put(slice: u32, at: u32, v: vec4u, first: u32) {
  if (at >= VECTORS) { return; }
  let c = countOneBits(v);
  let second = first + c.x;
  let third = second + c.y;
  ranked[2u * (slice + at)] = vec4u(v.x, first, v.y, second);
  ranked[2u * (slice + at) + 1u] = vec4u(v.z, third, v.w, third + c.z);
  bits[slice + at] = vec4u(0u);
}

@compute @workgroup_size(WORKGROUP)
fn batch_rank_blocks(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let slice = group.z * (SLICE / 4u);
  var carry = 0u;
  var block = block_at(slice, local);
  for (var base = 0u; base < VECTORS; base += 4u * PART) {
    let at = base + local;
    let next = block_at(slice, at + 4u * PART);
    let own = vec2u(count(block.v0) + (count(block.v1) << 16u), count(block.v2) + (count(block.v3) << 16u));
    let before = scan(local, own) - own;
    let total = sums[0][PART - 1u];
    put(slice, at, block.v0, carry + (before.x & 0xffffu));
    carry += total.x & 0xffffu;
    put(slice, at + PART, block.v1, carry + (before.x >> 16u));
    carry += total.x >> 16u;
    put(slice, at + 2u * PART, block.v2, carry + (before.y & 0xffffu));
    carry += total.y & 0xffffu;
    put(slice, at + 3u * PART, block.v3, carry + (before.y >> 16u));
    carry += total.y >> 16u;
    block = next;
    workgroupBarrier();  // sums[0] is free for the next block
  }
}

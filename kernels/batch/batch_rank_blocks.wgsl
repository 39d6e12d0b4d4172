// batch_rank_blocks.wgsl - batch_rank.wgsl in blocks of 4,096 words
//   bits    [W]  set by batch_expand.wgsl or token_mark.wgsl; reset to zero for the next step
//   ranked  [W]  (the word, number of bits set in all words before it)
//   Both are padded to whole vectors of four words; bits ends with one more vector, which stays zero.
// For          a GPU      On a CPU adapter   batch_rank.wgsl      Grid   one workgroup of 256 per slice (z).
// Work split   one workgroup per slice. A block is four parts of 256 vectors; an invocation owns one vector
//              of each part. A scan by doubling in workgroup memory adds up the counts of earlier
//              invocations, for all four parts at once: a part has at most 32,768 bits, so two counts share a
//              word. The block's sum is carried to the next block.
// On a GPU     (reasoned) neighbours load neighbouring vectors: coalesced. With one workgroup per slice no
//              other work hides a wait, so the next block is loaded while the current block is scanned. A
//              block needs ten barriers and is therefore large: 128 blocks for 16.7 million rows. One stretch
//              per invocation, as in batch_rank.wgsl, needs one barrier, but each load touches a cache line
//              per invocation, and every word is read twice.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD; mi200 40, 6
// Cost         4 bytes read and 12 written per word.      Next   batch_group.wgsl, token_group.wgsl

const WORKGROUP = 256;
const WORDS = 1u;         // W
const HEADERS_SEEN = 1u;  // number of headers of all slices
const SLICE = 0u;         // words per slice; see batch_expand.wgsl
const VECTORS = (WORDS + 3u) / 4u;
const PART = u32(WORKGROUP);

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(240) rest: u32, // padding up to the next step header
}

@group(0) @binding(0) var<storage, read_write> bits: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> ranked: array<vec4u>;  // two words each
@group(0) @binding(2) var<uniform> steps: array<Step, HEADERS_SEEN>;

var<workgroup> sums: array<array<vec2u, WORKGROUP>, 2>;

// The four vectors of a block that an invocation owns.
struct Block { v0: vec4u, v1: vec4u, v2: vec4u, v3: vec4u }

// Past the end: the vector of zeros. The next load would wait for the result of a load under a condition.
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

// Returns each invocation's inclusive prefix sum; sums[0] keeps all. All invocations reach each barrier.
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

// batch_rank.wgsl - how many bits are set before each word: sorting by counting bits
//
//   bits    [W]  set by batch_expand.wgsl or token_mark.wgsl; left all zero for the next step
//   ranked  [W]  (the word, number of bits set in all words before it)
//
// The rows of the log have a fixed order by item. A batch is a subset of them. So a row's position among the batch's rows
// *sorted by item* is the number of marked rows before it: a prefix sum over bits, 32 rows per word. No comparison, no float,
// no dependence on the order of execution.
//
// For          a CPU adapter      On a GPU   batch_rank_blocks.wgsl      Grid   one workgroup of 64 for each slice (z).
// Work split   one workgroup a slice (z). Each invocation owns one stretch of words: it counts them, adds up the counts of the
//              stretches before, and writes the ranks. That is serial in rows of the log / 32 / WORKGROUP: a million rows are
//              31,250 words, some 490 for each invocation.
// On llvmpipe  one barrier, and a short text. batch_rank_blocks.wgsl takes 1.7 times as long, and seven times as long to compile.
// Cost         4 bytes read twice, 12 written a word.      Next   batch_group.wgsl, token_group.wgsl

const WORKGROUP = 64;
const WORDS = 1u;         // W
const HEADERS_SEEN = 1u;  // headers of all slices
const SLICE = 0u;         // words from a slice to the next; see batch_expand.wgsl

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  @size(240) rest: u32, // up to the next header
}

@group(0) @binding(0) var<storage, read_write> bits: array<u32>;
@group(0) @binding(1) var<storage, read_write> ranked: array<vec2u>;
@group(0) @binding(2) var<uniform> steps: array<Step, HEADERS_SEEN>;

var<workgroup> counts: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn batch_rank(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let slice = group.z * SLICE;
  let stretch = (WORDS + WORKGROUP - 1u) / WORKGROUP;
  let first = min(local.x * stretch, WORDS);
  let end = min(first + stretch, WORDS);
  var count = 0u;
  for (var w = first; w < end; w++) { count += countOneBits(bits[slice + w]); }
  counts[local.x] = count;
  workgroupBarrier();
  var before = 0u;
  for (var k = 0u; k < local.x; k++) { before += counts[k]; }
  for (var w = first; w < end; w++) {
    let word = bits[slice + w];
    ranked[slice + w] = vec2u(word, before);
    before += countOneBits(word);
    bits[slice + w] = 0u;
  }
}

// batch_rank.wgsl - counts the set bits before each word: a sort by counting bits
//   bits    [W]  set by batch_expand.wgsl or token_mark.wgsl; reset to zero for the next step
//   ranked  [W]  (the word, number of bits set in all words before it)
//
// The log's rows have a fixed order by item, and a batch's rows are a subset of them. A row's index among the
// batch's rows *sorted by item* is therefore the number of marked rows before it: a prefix sum over bits, 32
// rows per word. No comparison, no float; the result does not depend on the order of execution.
//
// For          a CPU adapter      On a GPU   batch_rank_blocks.wgsl
// Grid         one workgroup of 64 per slice (z).
// Work split   one workgroup per slice. Each invocation owns one stretch of words: it counts the stretch's
//              bits, adds up the counts of earlier stretches, and writes the ranks. Each invocation's part is
//              serial: a log of a million rows has 31,250 words, some 490 per invocation.
// On llvmpipe  one barrier, and a short text. batch_rank_blocks.wgsl takes 1.7 times as long, and seven times
//              as long to compile.
// Cost         4 bytes read twice and 12 written per word.      Next   batch_group.wgsl, token_group.wgsl

const WORKGROUP = 64;
const WORDS = 1u;         // W
const HEADERS_SEEN = 1u;  // number of headers of all slices
const SLICE = 0u;         // words per slice; see batch_expand.wgsl

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(240) rest: u32, // padding up to the next step header
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

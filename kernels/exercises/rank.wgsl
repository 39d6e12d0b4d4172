// rank.wgsl - exercise: count the set bits before each word      (read kernels/course/4-batch.md)
//   bits [W]     rows of the log by item, 32 per word: the bits of the batch's rows are set
//   ranked [W]   (the word, number of bits set in all words before it)
//   With ranked one load gives the index of any row among the batch's rows sorted by item: see the chapter.
//
// Your task    count the bits of the earlier words.
// Then         in this form W invocations read W words each. Let one workgroup do it ("// grid: 64" below):
//              an invocation counts a stretch of words; after a barrier it adds up the counts of the earlier
//              stretches. Then let neighbours read neighbouring words, 64 at a time, and carry the sum from
//              one block to the next. On a CPU adapter the last form should be slower: a barrier per block.
// Rules        kernels/README.md, "The exercises". Letters of the grid: W. The bits may be left or cleared.
// grid: W

const WORKGROUP = 64;
const WORDS = 1u;  // W

struct Step { size: vec4u }

@group(0) @binding(0) var<storage, read> bits: array<u32>;
@group(0) @binding(1) var<storage, read_write> ranked: array<vec2u>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn rank(@builtin(global_invocation_id) id: vec3u) {
  let w = id.x;
  if (w >= WORDS) { return; }
  let before = w;  // YOUR CODE: the number of bits set in bits[0] .. bits[w - 1]. There is countOneBits.
  ranked[w] = vec2u(bits[w], before);
}

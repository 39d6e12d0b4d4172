// token_gradient_chunks.wgsl - partial sums for tokens of many items, before token_gradient.wgsl
//   source [D, N]   gradients by distinct item        pair, ranked   see token_group.wgsl
//   chunk [., N]  chunk c: sum of source over the items of pairs c CHUNK .. (c + 1) CHUNK of one token
//
// If most items have the same category, one invocation of token_gradient.wgsl would compute as long as all
// others together. With chunks of CHUNK pairs many invocations share the sum of this category. A chunk with
// several tokens is not written: token_gradient.wgsl adds up its pairs. Only the batch determines the chunks
// and the order of the sums.
//
// For          both kinds of adapter      Grid   N / 4 invocations per possible chunk, in workgroups of 64.
// Work split   one invocation owns four columns of one chunk.
// On a GPU     (reasoned) a serial sum over a popular token is a long tail that nothing hides; chunks
//              distribute it over the GPU. Neighbours own neighbouring columns: source is read coalesced,
//              pair is a broadcast. Workgroups of 64; without a barrier a subgroup waits only for its own
//              longest sum.
// Cost         1 flop and 4 bytes per element of source.
// Forward      token_sum.wgsl      Next   token_gradient.wgsl, token_gradient_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;         // columns / 4
const TOKENS = 1u;      // V
const LIST_WORDS = 1u;  // W
const FED = false;      // true: only items that are fed to the encoder
const CHUNK = 64u;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> pair: array<vec2u>;
@group(0) @binding(2) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> chunk: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

@compute @workgroup_size(WORKGROUP)
fn token_gradient_chunks(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let first = (i / N4) * CHUNK;
  let column = i % N4;
  let end = first + CHUNK;
  if (end > ranked[2u * LIST_WORDS].y) { return; }
  let token = pair[first].y;
  if ((token >= TOKENS) != FED || pair[end - 1u].y != token) { return; }
  var sum = vec4f(0.0);
  for (var k = first; k < end; k++) { sum += load_source(pair[k].x * N4 + column); }
  chunk[i] = sum;
}

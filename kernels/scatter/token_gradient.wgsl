// token_gradient.wgsl - gradient of the table of token_sum.wgsl
//   source [D, N]   gradients by distinct item        pair, ranked   see token_group.wgsl
//   chunk [., N]  from token_gradient_chunks.wgsl  token_first [V+1]  a token's first pair in the catalogue
//   output [V, N]   output_v = sum of source over the batch's items with token v; 0 without such items
//
// Two ranks delimit a token's pairs: that of the token's first place, and that of the next token's first
// place. Tokens that are not in the batch get 0: Adam still moves them by their moments.
//
// For          both kinds of adapter      Grid   V N / 4 invocations in workgroups of 64.
// Work split   one invocation owns four columns of one token. It adds up the pairs before the token's first
//              whole chunk of CHUNK pairs, then the sums of the token's whole chunks, then the rest: at most
//              2 CHUNK + pairs / CHUNK steps.
// On a GPU     (reasoned) neighbours own neighbouring columns: coalesced. The whole table is written, mostly
//              zeros, so memory is the limit with many tokens. Workgroups of 64; registers limit occupancy.
// Cost         4 bytes per element of the table written, 1 flop and 4 bytes per element of source read.
// Forward      token_sum.wgsl      Only sparse rows   token_gradient_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;         // columns / 4
const TOKENS = 1u;      // V
const LIST_WORDS = 1u;  // W
const FED = false;      // true: only items that are fed to the encoder
const CHUNK = 64u;
const ACCUMULATE = false;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> pair: array<vec2u>;
@group(0) @binding(2) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(3) var<storage, read> chunk: array<vec4f>;
@group(0) @binding(4) var<storage, read> token_first: array<u32>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

// Returns the number of the batch's pairs before a place of the catalogue's pairs.
fn rank(place: u32) -> u32 {
  let entry = ranked[select(0u, LIST_WORDS, FED) + (place >> 5u)];
  return entry.y + countOneBits(entry.x & ((1u << (place & 31u)) - 1u));
}

@compute @workgroup_size(WORKGROUP)
fn token_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= TOKENS * N4) { return; }
  let token = i / N4;
  let column = i % N4;
  var k = rank(token_first[token]);
  let end = rank(token_first[token + 1u]);
  let whole = min((k + CHUNK - 1u) / CHUNK * CHUNK, end);
  var sum = vec4f(0.0);
  for (; k < whole; k++) { sum += load_source(pair[k].x * N4 + column); }
  for (; k + CHUNK <= end; k += CHUNK) { sum += chunk[k / CHUNK * N4 + column]; }
  for (; k < end; k++) { sum += load_source(pair[k].x * N4 + column); }
  if (ACCUMULATE) { sum += output[i]; }
  output[i] = sum;
}

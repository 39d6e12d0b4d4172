// token_gradient_rows.wgsl - token_gradient.wgsl for only those rows of the table that a batch uses
//   source [D, N]   gradients by distinct item        pair, ranked   see token_group.wgsl
//   chunk [., N]  from token_gradient_chunks.wgsl  token_first [V+1]  a token's first pair in the catalogue
//   sparse_rows [.]   an entry per pair of the batch: the pair's token at the token's first pair, NONE at its
//                     other pairs and past the last pair
//   output [., N]     at a token's entry: the sum of source over the batch's items with the token; not
//                     written for NONE
//
// So adam_rows.wgsl updates each token once. Sums have the order of token_gradient.wgsl, so the bits are the
// same. The host knows only a bound of the batch's number of pairs. All entries up to the bound are written,
// and those by which the grid is rounded up.
//
// For          both kinds of adapter      Grid   N / 4 invocations per possible pair, in workgroups of 64.
// Work split   one invocation owns four columns of one entry. It returns at once unless the entry is a
//              token's first.
// On a GPU     (reasoned) neighbours own neighbouring columns: coalesced. Invocations return by whole rows,
//              so subgroups seldom diverge. Workgroups of 64; without a barrier a subgroup waits only for its
//              own longest sum.
// Cost         8 bytes per pair, 1 flop and 4 bytes per element of source, 4 per element of a sparse row.
// Forward      token_sum.wgsl      Next   adam_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;         // columns / 4
const TOKENS = 1u;      // V
const LIST_WORDS = 1u;  // W
const FED = false;      // true: only items that are fed to the encoder
const CHUNK = 64u;
const PLACES = 1u;      // number of entries of the largest batch
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> pair: array<vec2u>;
@group(0) @binding(2) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(3) var<storage, read> chunk: array<vec4f>;
@group(0) @binding(4) var<storage, read> token_first: array<u32>;
@group(0) @binding(5) var<storage, read_write> sparse_rows: array<u32>;
@group(0) @binding(6) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

// Returns the number of the batch's pairs before a place of the catalogue's pairs.
fn rank(place: u32) -> u32 {
  let entry = ranked[select(0u, LIST_WORDS, FED) + (place >> 5u)];
  return entry.y + countOneBits(entry.x & ((1u << (place & 31u)) - 1u));
}

@compute @workgroup_size(WORKGROUP)
fn token_gradient_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let place = i / N4;
  let column = i % N4;
  if (place >= PLACES) { return; }
  let all = ranked[LIST_WORDS].y;
  var k = place;
  var last = all;
  if (FED) {
    k += all;
    last = ranked[2u * LIST_WORDS].y;
  }
  var token = NONE;
  if (k < last) {
    let own = pair[k].y;
    if (place == 0u || pair[k - 1u].y != own) { token = own - select(0u, TOKENS, FED); }
  }
  if (column == 0u) { sparse_rows[place] = token; }
  if (token == NONE) { return; }
  let end = rank(token_first[token + 1u]);
  let whole = min((k + CHUNK - 1u) / CHUNK * CHUNK, end);
  var sum = vec4f(0.0);
  for (; k < whole; k++) { sum += load_source(pair[k].x * N4 + column); }
  for (; k + CHUNK <= end; k += CHUNK) { sum += chunk[k / CHUNK * N4 + column]; }
  for (; k < end; k++) { sum += load_source(pair[k].x * N4 + column); }
  output[i] = sum;
}

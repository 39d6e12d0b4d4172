// token_gradient_rows.wgsl - token_gradient.wgsl for the table's rows that a batch touches; the others cost nothing
//
//   source [D, N]   gradients by distinct item        pair, ranked   see token_group.wgsl
//   chunk [., N]    from token_gradient_chunks.wgsl   token_first [V+1]  first pair of a token among those of the catalogue
//   sparse_rows [.]     a place for each pair of the batch: the pair's token at the first pair of a token, NONE at its others and
//                   past the last pair
//   output [., N]   at the place of a token: the sum of source over the batch's items that have it; not written for NONE
//
// So adam_rows.wgsl finds each token once. Sums have the order of token_gradient.wgsl, so the bits are the same. The host does
// not know how many pairs a batch has, only a bound. All places up to that bound are written, and those that the grid's
// rounding adds.
//
// For          both kinds of adapter
// Grid         N / 4 invocations for each pair that there can be, in workgroups of 64.
// Work split   one invocation owns four columns of one place. At any place but a token's first it ends at once.
// On a GPU     (reasoned) neighbours own neighbouring columns: coalesced. Places that end at once do so by whole rows, so
//              subgroups seldom diverge. Workgroups of 64, without a barrier: a subgroup waits only for its own longest walk.
// Cost         8 bytes per pair, a flop and 4 bytes per element of source read, 4 per element of a sparse row written.
// Forward      token_sum.wgsl      Next   adam_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;         // columns / 4
const TOKENS = 1u;      // V
const LIST_WORDS = 1u;  // W
const FED = false;      // the list of fed items
const CHUNK = 64u;
const PLACES = 1u;      // of the largest batch
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> pair: array<vec2u>;
@group(0) @binding(2) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(3) var<storage, read> chunk: array<vec4f>;
@group(0) @binding(4) var<storage, read> token_first: array<u32>;
@group(0) @binding(5) var<storage, read_write> sparse_rows: array<u32>;
@group(0) @binding(6) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

// How many pairs of the batch come before a place of the catalogue.
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

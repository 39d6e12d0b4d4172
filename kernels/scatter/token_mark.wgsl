// token_mark.wgsl - marks a batch's (item, token) pairs among those of the catalogue: a sort by counting bits
//   slot_item [D], slot_first, sorted, row   from batch_group.wgsl and batch_expand.wgsl
//   item_first [I+1]  first pair of an item     place [P]  index of a pair among all pairs sorted by token
//   bits [2 W + 1]  W words with a bit per pair: 1 for the pairs of the batch's distinct items; then W words
//                   for the pairs of items that are fed to the encoder; then a word that stays 0
//
// The pairs have a fixed order by token, as the log's rows have an order by item (batch_rank.wgsl). So a
// pair's index among the batch's pairs by token is the number of marked pairs before it.
//
// For          both kinds of adapter      Grid   D invocations in workgroups of 64.
// Work split   one invocation owns one distinct item and reads its rows until it finds one that is fed.
//              Integer atomics set the bits, so the result does not depend on the order.
// On a GPU     (reasoned) one invocation per distinct item, few in all, and short loops: latency is the
//              limit. Pairs of a popular token are adjacent, so their atomics collide in the same words.
//              Workgroups of 64; without a barrier a subgroup waits only for its own longest loop.
// Cost         at most 20 bytes per row; 4 bytes and two bits per pair.
// Next         batch_rank.wgsl, token_group.wgsl

const WORKGROUP = 64;
const LIST_WORDS = 1u;  // W
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // w: distinct items

@group(0) @binding(0) var<storage, read> slot_item: array<u32>;
@group(0) @binding(1) var<storage, read> slot_first: array<u32>;
@group(0) @binding(2) var<storage, read> sorted: array<u32>;
@group(0) @binding(3) var<storage, read> row: array<vec4u>;
@group(0) @binding(4) var<storage, read> item_first: array<u32>;
@group(0) @binding(5) var<storage, read> place: array<u32>;
@group(0) @binding(6) var<storage, read_write> bits: array<atomic<u32>>;
@group(0) @binding(7) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn token_mark(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let slot = id.x + id.y * (grid.x * WORKGROUP);
  if (slot >= step.size.w) { return; }
  var fed = false;
  let last = slot_first[slot + 1u];
  for (var k = slot_first[slot]; k < last && !fed; k++) { fed = row[sorted[k]].w != NONE; }
  let item = slot_item[slot];
  let end = item_first[item + 1u];
  for (var p = item_first[item]; p < end; p++) {
    let word = place[p] >> 5u;
    let bit = 1u << (place[p] & 31u);
    atomicOr(&bits[word], bit);
    if (fed) { atomicOr(&bits[LIST_WORDS + word], bit); }
  }
}

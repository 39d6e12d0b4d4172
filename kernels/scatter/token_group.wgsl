// token_group.wgsl - the batch's distinct items, grouped by token
//   slot_item [D] item_first [I+1], token, place [P] see token_mark.wgsl  ranked [2 W + 1] of batch_rank.wgsl
//   pair [.]        (slot of an item, token): all pairs of the batch by token, and for equal tokens by item.
//                   Then the same for the items that are fed to the encoder, with V added to the token
// For          both kinds of adapter      Grid   D invocations in workgroups of 64.
// Work split   one invocation owns one distinct item.
// On a GPU     (reasoned) a scatter of 8 bytes per pair, after two loads and a bit count: latency is the
//              limit, as in token_mark.wgsl. Workgroups of 64; without a barrier a subgroup waits only for
//              its own longest loop.
// Cost         24 bytes per pair.
// Readers      token_gradient_chunks.wgsl, token_gradient.wgsl, token_gradient_rows.wgsl

const WORKGROUP = 64;
const LIST_WORDS = 1u;  // W
const TOKENS = 1u;      // V

struct Step { size: vec4u }  // w: distinct items

@group(0) @binding(0) var<storage, read> slot_item: array<u32>;
@group(0) @binding(1) var<storage, read> item_first: array<u32>;
@group(0) @binding(2) var<storage, read> token: array<u32>;
@group(0) @binding(3) var<storage, read> place: array<u32>;
@group(0) @binding(4) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(5) var<storage, read_write> pair: array<vec2u>;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn token_group(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let slot = id.x + id.y * (grid.x * WORKGROUP);
  if (slot >= step.size.w) { return; }
  let item = slot_item[slot];
  let end = item_first[item + 1u];
  for (var p = item_first[item]; p < end; p++) {
    let word = place[p] >> 5u;
    let bit = 1u << (place[p] & 31u);
    let all = ranked[word];
    pair[all.y + countOneBits(all.x & (bit - 1u))] = vec2u(slot, token[p]);
    let fed = ranked[LIST_WORDS + word];
    if ((fed.x & bit) != 0u) {
      pair[fed.y + countOneBits(fed.x & (bit - 1u))] = vec2u(slot, TOKENS + token[p]);
    }
  }
}

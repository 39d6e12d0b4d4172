// top_slate.wgsl - the k items of the highest scores that are not masked, for a chunk of users
//
//   score [C, I]   masked [panels, U] bits, those of the items shown are set   slate [U, k] items, best first
//
// Of equal scores the lowest item comes first. A score that is NaN or infinite counts as the lowest of all.
//
// For          both kinds of adapter      Grid   C invocations in workgroups of 64.
// Work split   one invocation owns one user of the chunk. Slot j takes the best of what comes after the item of slot j - 1 in
//              the order of scores and items, so that no list is kept: k walks along the user's row.
// On a GPU     (reasoned) neighbours read rows that are I numbers apart: no load is coalesced. A workgroup per user with a
//              reduction would be; the utilities that are read here cost tens of times as much. Workgroups of 64 fill
//              subgroups; users of a subgroup wait for its longest.
// On llvmpipe  its share of a page is in bench/simulate.md, under greedy slates
// Cost         4 I bytes per user, k times, from cache where a row fits it.
// Next         choose_click.wgsl, by way of the utilities of the slate

const WORKGROUP = 64;
const SLATE = 1u;   // k
const USERS = 1u;   // from a panel's word to the next panel's
const ITEMS = 1u;   // I
const NONE = 0xffffffffu;
const LOWEST = -3.4e38;

struct Step {
  size: vec4u,         // of the batch; of a page: U users, U events, U k rows, I items
  first_entry: u32,    // the first user of a chunk
}

@group(0) @binding(0) var<storage, read> score: array<f32>;
@group(0) @binding(1) var<storage, read_write> masked: array<u32>;
@group(0) @binding(2) var<storage, read_write> slate: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;

fn finite(x: f32) -> f32 {
  return select(x, LOWEST, (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u);
}

@compute @workgroup_size(WORKGROUP)
fn top_slate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.x) { return; }
  let u = step.first_entry + e;
  var last = NONE;
  var last_score = 0.0;
  for (var j = 0u; j < SLATE; j++) {
    var best = NONE;
    var best_score = 0.0;
    for (var item = 0u; item < ITEMS; item += 32u) {
      let bits = masked[(item / 32u) * USERS + u];
      for (var i = item; i < min(item + 32u, ITEMS); i++) {
        if (((bits >> (i % 32u)) & 1u) == 1u) { continue; }
        let s = finite(score[e * ITEMS + i]);
        let later = j == 0u || s < last_score || (s == last_score && i > last);
        if (later && (best == NONE || s > best_score)) {
          best = i;
          best_score = s;
        }
      }
    }
    last = best;
    last_score = best_score;
    slate[u * SLATE + j] = best;
  }
  for (var j = 0u; j < SLATE; j++) {
    let item = slate[u * SLATE + j];
    masked[(item / 32u) * USERS + u] |= 1u << (item % 32u);
  }
}

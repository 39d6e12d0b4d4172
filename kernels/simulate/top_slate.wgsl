// top_slate.wgsl - the k items with the highest scores that are not masked, for a chunk of users
//   score [C, I]   masked [panels, U] bits; shown items are added   slate [U, k] items, best first
//
// Among equal scores the lowest item comes first. A NaN or infinite score counts as the lowest.
//
// For          both kinds of adapter      Grid   C invocations in workgroups of 64.
// Work split   one invocation owns one user of the chunk. Slot j gets the best item after the item of slot j
//              - 1, in the order of scores and items, so no list is needed: k passes over the user's row.
// On a GPU     (reasoned) neighbours read rows that are I numbers apart: no load is coalesced. A workgroup
//              per user with a reduction would be coalesced, but computing the scores costs tens of times as
//              much as this kernel. Workgroups of 64 fill subgroups; users of a subgroup wait for the user
//              with the longest loop.
// On llvmpipe  its share of a page's time is in bench/simulate.md, under greedy slates
// Cost         4 I bytes per user, k times, from cache if a row fits.
// Next         choose_click.wgsl, after the kernels that compute the slate's utilities

const WORKGROUP = 64;
const SLATE = 1u;   // k
const USERS = 1u;   // number of words per panel of 32 items
const ITEMS = 1u;   // I
const NONE = 0xffffffffu;
const LOWEST = -3.4e38;

struct Step {
  size: vec4u,         // sizes of the batch; for a page: U users, U events, U k rows, I items
  first_entry: u32,    // index of the chunk's first user
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

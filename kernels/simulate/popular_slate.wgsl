// popular_slate.wgsl - the first items of a fixed order that are not masked
//
//   order [I] items, best first   masked [panels, U] bits, those of the items shown are set   slate [U, k] items
//
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user and walks along the order. It ends after k items more than the user may not see.
// On a GPU     (reasoned) the order is a broadcast, the masks of neighbours are neighbours. Users of a subgroup wait for the
//              one who has clicked most of the popular items. There are few workgroups of 64, so most cores stay idle: latency
//              decides.
// Cost         8 bytes for each item walked over.      Next   choose_click.wgsl, by way of the utilities of the slate

const WORKGROUP = 64;
const SLATE = 1u;  // k
const USERS = 1u;  // from a panel's word to the next panel's
const ITEMS = 1u;  // I

struct Step {
  size: vec4u,         // of the batch; of a page: U users, U events, U k rows, I items
}

@group(0) @binding(0) var<storage, read> order: array<u32>;
@group(0) @binding(1) var<storage, read_write> masked: array<u32>;
@group(0) @binding(2) var<storage, read_write> slate: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn popular_slate(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  var j = 0u;
  for (var place = 0u; place < ITEMS && j < SLATE; place++) {
    let item = order[place];
    let at = (item / 32u) * USERS + u;
    let bit = 1u << (item % 32u);
    if ((masked[at] & bit) != 0u) { continue; }
    masked[at] |= bit;
    slate[u * SLATE + j] = item;
    j++;
  }
}

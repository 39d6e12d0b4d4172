// popular_slate.wgsl - the first items of a fixed order that are not masked
//   order [I] items, best first   masked [panels, U] bits; shown items are added   slate [U, k] items
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user and reads the order until it has k items that the user may see.
// On a GPU     (reasoned) the order is a broadcast, masks of neighbours are neighbours. A subgroup waits for
//              its user with the most clicks on popular items. There are few workgroups of 64, so most cores
//              stay idle: latency is the limit.
// Cost         8 bytes per item read.
// Next         choose_click.wgsl, after the kernels that compute the slate's utilities

const WORKGROUP = 64;
const SLATE = 1u;  // k
const USERS = 1u;  // number of words per panel of 32 items
const ITEMS = 1u;  // I

struct Step { size: vec4u }  // x: users

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

// shop_step.wgsl - updates users of a synthetic shop by their clicks: the ground truth (src/data/shops.ts)
//   event [U] (.w the clicked item, or NONE)   item [I] (style1, style2, price, -)   state [U] (m1, m2, p, 0)
//   state' = .7 state + .3 (style1, style2, price)
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user.
// On a GPU     (reasoned) coalesced except the items. Few workgroups of 64: most cores stay idle, latency is
//              the limit.
// Cost         9 flops and 64 bytes per user.

const WORKGROUP = 64;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> item: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn shop_step(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  let clicked = event[u].w;
  if (clicked == NONE) { return; }
  state[u] = vec4f(0.7 * state[u].xyz + 0.3 * item[clicked].xyz, 0.0);
}

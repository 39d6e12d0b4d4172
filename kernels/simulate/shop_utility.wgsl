// shop_utility.wgsl - utilities of items for users of a synthetic shop: the ground truth (src/data/shops.ts)
//   state [U] (m1, m2, p, -)   item [I] (style1, style2, price, appeal + constant)
//   row_item [U, EACH]         utility [., EACH]
//   u = 6 tanh(.3 (m1 style1 + m2 style2)) - .3 (price - p)^2 + appeal + constant - FATIGUE (m1^2 + m2^2)
//
// With ALL row u EACH + i is item i of the catalogue, for the users from step.first_entry on.
//
// For          both kinds of adapter      Grid   U EACH invocations in workgroups of 64.
// Work split   one invocation owns one row.
// On a GPU     (reasoned) neighbours own neighbouring slots; a user's state is a broadcast, items are
//              gathered. There are few workgroups of 64, so most cores stay idle: latency is the limit.
// Cost         some 40 flops, with a hyperbolic tangent, and 8 bytes per row; 16 per user and item.
// Next         choose_click.wgsl or, with ALL, top_slate.wgsl

const WORKGROUP = 64;
const EACH = 1u;  // rows per user
const ALL = false;
const FATIGUE = 0.0;

struct Step {
  size: vec4u,         // sizes of the batch; for a page: U users, U events, U k rows, I items
  first_entry: u32,    // index of the chunk's first user
}

@group(0) @binding(0) var<storage, read> state: array<vec4f>;
@group(0) @binding(1) var<storage, read> item: array<vec4f>;
@group(0) @binding(2) var<storage, read> row_item: array<u32>;
@group(0) @binding(3) var<storage, read_write> utility: array<f32>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn shop_utility(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let r = id.x + id.y * (grid.x * WORKGROUP);
  if (r >= step.size.z) { return; }
  let s = state[step.first_entry + r / EACH];
  var shown = r % EACH;
  if (!ALL) { shown = row_item[r]; }
  let f = item[shown];
  let gap = f.z - s.z;
  let like = 6.0 * tanh(0.3 * (s.x * f.x + s.y * f.y));
  utility[r] = like - 0.3 * gap * gap + f.w - FATIGUE * (s.x * s.x + s.y * s.y);
}

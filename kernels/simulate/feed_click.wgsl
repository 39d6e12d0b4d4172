// feed_click.wgsl - feeds users the history with which they start: one item per dispatch
//   start [S, U] the item number step.page of a user's history, or NONE
//   event [U] .z NONE, .w that item      clicked [panels, U] the item's bit is set
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user.
// On a GPU     (reasoned) coalesced except the bits, which are in scattered panels. There are few workgroups
//              of 64, so most cores stay idle: latency is the limit.
// Cost         36 bytes per user.
// Next         the kernels that update the users by their clicks: lstm_step.wgsl, push_click.wgsl,
//              shop_step.wgsl

const WORKGROUP = 64;
const USERS = 1u;  // users: stride of items in start and of panels in clicked
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,            // sizes of the batch; for a page: U users, U events, U k rows, I items
  @size(32) unread: u32,  // fields that this kernel does not read
  page: u32,              // index of the page in the episode
}

@group(0) @binding(0) var<storage, read> start: array<u32>;
@group(0) @binding(1) var<storage, read_write> event: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> clicked: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn feed_click(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  let item = start[step.page * USERS + u];
  event[u] = vec4u(event[u].xy, NONE, item);
  if (item == NONE) { return; }
  clicked[(item / 32u) * USERS + u] |= 1u << (item % 32u);
}

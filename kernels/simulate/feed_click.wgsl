// feed_click.wgsl - users who start with a history: each clicks its next item, as if it had been shown
//
//   start [S, U] the item that a user starts with in the place step.page, or NONE
//   event [U] .z NONE, .w that item      clicked [panels, U] its bit is set
//
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user.
// On a GPU     (reasoned) coalesced but for the bits, which go to scattered panels. There are few workgroups of 64, so most
//              cores stay idle: latency decides.
// Cost         36 bytes per user.
// Next         the kernels that advance the users by their clicks: lstm_step.wgsl, push_click.wgsl, shop_step.wgsl

const WORKGROUP = 64;
const USERS = 1u;  // from a place of start to the next, from a panel's word to the next panel's
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of a page: U users, U events, U k rows, I items
  first_entry: u32,    // the first user of a chunk
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // the seed of what is random in the step
  counted: u32,        // what means are taken over
  page: u32,           // of the episode, from 0 on
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

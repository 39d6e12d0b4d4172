// push_click.wgsl - appends each user's clicked item to the user's list of clicks
//   event [U] (.w the clicked item, or NONE)
//   history [U] (clicks so far, index in clicks after the last of them)
//   clicks [U, LIST] the item in .w, where kernels that loop back over events read it
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user.
// On a GPU     (reasoned) neighbours write LIST entries apart: scattered, but only 16 bytes per user. There
//              are few workgroups of 64, so most cores stay idle: latency is the limit.
// Cost         40 bytes per user who clicked.
// Next         pw_state_forward.wgsl, pw_table_forward.wgsl with LISTS

const WORKGROUP = 64;
const LIST = 1u;  // entries per user
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> history: array<vec2u>;
@group(0) @binding(2) var<storage, read_write> clicks: array<vec4u>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn push_click(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  let item = event[u].w;
  let count = history[u].x;
  if (item == NONE || count >= LIST) { return; }
  clicks[u * LIST + count] = vec4u(NONE, NONE, NONE, item);
  history[u] = vec2u(count + 1u, u * LIST + count + 1u);
}

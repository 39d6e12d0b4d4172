// replay_sample_states.wgsl - reads the whole states after the drawn pages, to restore users from them
//   drawn [B] (slot, page, user, -)
//   states [SLOTS, T + 1, USERS, S4 vectors], as written by replay_push.wgsl
//   state [B, S4 vectors]      after each page; replay_sample.wgsl reads only the part that policies see
// For          both kinds of adapter      Grid   B S4 invocations in workgroups of 64.
// Work split   one invocation owns a vector of a drawn page's state.
// On a GPU     (reasoned) rows are far apart, so loads of narrow rows waste a part of each memory
//              transaction; stores are coalesced. There are some hundred rows: bound by the launch. Few
//              workgroups of 64: most cores stay idle, latency is the limit.
// Cost         32 S4 bytes per page.      Before   replay_draw.wgsl

const WORKGROUP = 64;
const S4 = 1u;
const T = 1u;
const USERS = 1u;

struct Step { size: vec4u }  // x: rows

@group(0) @binding(0) var<storage, read> drawn: array<vec4u>;
@group(0) @binding(1) var<storage, read> states: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn replay_sample_states(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.x * S4) { return; }
  let page = drawn[i / S4];
  state[i] = states[((page.x * (T + 1u) + page.y + 1u) * USERS + page.z) * S4 + i % S4];
}

// put_state.wgsl - restores users from stored states: the encoder's state and the last clicks
//   state [U, X4 vectors]      as written by keep_state.wgsl
//   encoded [U, S4 vectors]    history [U] (clicks so far, index in clicks after the last of them)
//   clicks [U, LIST]           the item in .w: at most the last LAGS clicks, from the user's first entry on
// For          both kinds of adapter      Grid   U X4 invocations in workgroups of 64.
// Work split   one invocation owns four numbers of a user's state.
// On a GPU     (reasoned) loads are coalesced; items are written once, to entries that are 16 bytes apart.
//              Workgroups of 64 fill subgroups; bound by memory.
// Cost         16 (S4 + X4 + LAGS) bytes per user.      Before   replay_sample_states.wgsl

const WORKGROUP = 64;
const S4 = 1u;
const FIRST4 = 1u;
const X4 = 7u;
const LAGS = 20u;
const LIST = 20u;  // entries per user
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read> state: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> encoded: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> history: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> clicks: array<vec4u>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn put_state(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let u = i / X4;
  let v = i % X4;
  if (u >= step.size.x) { return; }
  let x = state[i];
  if (v < S4) { encoded[u * S4 + v] = x; }
  if (v < FIRST4) { return; }
  let count = u32(state[u * X4 + FIRST4].x);
  let kept = min(count, LAGS);
  if (v == FIRST4) { history[u] = vec2u(count, u * LIST + kept); }
  for (var c = 0u; c < 4u; c++) {
    let back = 4u * (v - FIRST4) + c;
    if (back >= 1u && back <= kept) { clicks[u * LIST + kept - back] = vec4u(NONE, NONE, NONE, u32(x[c])); }
  }
}

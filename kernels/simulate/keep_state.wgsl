// keep_state.wgsl - a user's state as the replay buffer stores it: the encoder's state and the last clicks
//   encoded [U, S4 vectors]    history [U] (clicks so far, index in clicks after the last of them)
//   clicks [U, LIST]           the clicked item in .w; a user's clicks are contiguous
//   state [U, X4 vectors]      encoded, then zeros; from vector FIRST4 on: clicks so far, the last LAGS
//                              items, the latest first, -1 if there are fewer. All are f32, which represents
//                              integers below 2^24 exactly
//
// Counts, position weights and the wide part (the linear part) of the utility depend on earlier clicks: as
// the state contains these clicks, choices depend on the state alone.
//
// For          both kinds of adapter      Grid   U X4 invocations in workgroups of 64.
// Work split   one invocation owns four numbers of a user's state.
// On a GPU     (reasoned) stores are coalesced; items of a list are 16 bytes apart and read once. Workgroups
//              of 64 fill subgroups; bound by memory.
// Cost         16 (S4 + X4 + LAGS) bytes per user.      Next   replay_push.wgsl      Back   put_state.wgsl

const WORKGROUP = 64;
const S4 = 1u;
const FIRST4 = 1u;
const X4 = 7u;
const LAGS = 20u;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read> encoded: array<vec4f>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> clicks: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn keep_state(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let u = i / X4;
  let v = i % X4;
  if (u >= step.size.x) { return; }
  var x = vec4f(0.0);
  if (v < S4) { x = encoded[u * S4 + v]; }
  if (v >= FIRST4) {
    let past = history[u];
    for (var c = 0u; c < 4u; c++) {
      let back = 4u * (v - FIRST4) + c;
      x[c] = -1.0;
      if (back == 0u) { x[c] = f32(past.x); } else if (back <= min(past.x, LAGS)) { x[c] = f32(clicks[past.y - back].w); }
    }
  }
  state[i] = x;
}

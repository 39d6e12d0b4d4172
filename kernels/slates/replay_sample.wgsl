// replay_sample.wgsl - reads the drawn pages: the states before and after, the slate, and the outcome
//   drawn [B] (slot, page, user, -)      replay_push.wgsl has written the arrays of the next line:
//   states [SLOTS, T + 1, USERS, S4], shown [SLOTS, T, USERS, K], happened [SLOTS, T, USERS]
//   inputs [2 B, X4 vectors]   input of a network: the state, with page / T in column TIME; rows 0 .. B - 1
//                              are before the page, B .. 2 B - 1 after it
//   slates [B, K]      outcome [B] (slot of the clicked item or K, reward, 1; 0 if the user left, page)
// For          both kinds of adapter      Grid   B X4 invocations in workgroups of 64.
// Work split   one invocation owns a vector of a drawn page's two inputs; a page's first invocation also
//              writes the rest.
// On a GPU     (reasoned) rows are far apart, so loads of narrow rows waste a part of each memory
//              transaction; stores are coalesced. There are some hundred rows: bound by the launch. Few
//              workgroups of 64: most cores stay idle, latency is the limit.
// Cost         64 X4 + 8 K + 40 bytes per page.      Before   replay_draw.wgsl

const WORKGROUP = 64;
const S4 = 1u;
const X4 = 1u;
const TIME = 3u;   // the input's column of page / T; no such column if TIME is past the last one
const K = 1u;
const T = 1u;
const USERS = 1u;
const LEFT = 0x80000000u;

struct Step { size: vec4u }  // x: rows

@group(0) @binding(0) var<storage, read> drawn: array<vec4u>;
@group(0) @binding(1) var<storage, read> states: array<vec4f>;
@group(0) @binding(2) var<storage, read> shown: array<u32>;
@group(0) @binding(3) var<storage, read> happened: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> inputs: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> slates: array<u32>;
@group(0) @binding(6) var<storage, read_write> outcome: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn input(page: vec4u, after: u32, v: u32) -> vec4f {
  var x = vec4f(0.0);
  if (v < S4) { x = states[((page.x * (T + 1u) + page.y + after) * USERS + page.z) * S4 + v]; }
  if (v == TIME / 4u) { x[TIME % 4u] = f32(page.y + after) / f32(T); }
  return x;
}

@compute @workgroup_size(WORKGROUP)
fn recall(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let rows = step.size.x;
  if (i >= rows * X4) { return; }
  let b = i / X4;
  let page = drawn[b];
  inputs[i] = input(page, 0u, i % X4);
  inputs[rows * X4 + i] = input(page, 1u, i % X4);
  if (i % X4 != 0u) { return; }
  let at = (page.x * T + page.y) * USERS + page.z;
  for (var j = 0u; j < K; j++) { slates[b * K + j] = shown[at * K + j]; }
  let what = happened[at];
  let stays = select(1.0, 0.0, (what.x & LEFT) != 0u);
  outcome[b] = vec4f(f32(what.x & ~LEFT), bitcast<f32>(what.y), stays, f32(page.y));
}

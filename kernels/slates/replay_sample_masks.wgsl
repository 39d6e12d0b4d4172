// replay_sample_masks.wgsl - masks of items that a drawn page, and the next page, may not show
//   drawn [B] (slot, page, user, -)  shown [SLOTS, T, USERS, K], happened [SLOTS, T, USERS]: replay_push.wgsl
//   left_out [PANELS]          bits of items that are never shown; bit i of word p is item 32 p + i
//   begun [SLOTS, USERS]       (first, end) in history: the items that a user had clicked before the episode
//   masks [2, PANELS, B]       before the page, and after it: left_out and all clicked items
//
// The same episode contains the clicks on earlier pages, so their bits need not be stored. With REPEATS the
// masks are left_out.
//
// For          both kinds of adapter      Grid   B invocations in workgroups of 64.
// Work split   one invocation owns the words of one drawn page, before and after.
// On a GPU     (reasoned) neighbours own neighbouring words of a panel: stores are coalesced. Loads of
//              earlier pages are scattered, at most T of them. There are few workgroups of 64, so most cores
//              stay idle: latency is the limit.
// Cost         8 (PANELS + page) bytes per drawn page and 4 per click, also before the episode.
// Before       replay_draw.wgsl

const WORKGROUP = 64;
const K = 1u;
const T = 1u;
const USERS = 1u;
const PANELS = 1u;
const REPEATS = false;
const LEFT = 0x80000000u;

struct Step { size: vec4u }  // x: rows

@group(0) @binding(0) var<storage, read> drawn: array<vec4u>;
@group(0) @binding(1) var<storage, read> shown: array<u32>;
@group(0) @binding(2) var<storage, read> happened: array<vec2u>;
@group(0) @binding(3) var<storage, read> left_out: array<u32>;
@group(0) @binding(4) var<storage, read> begun: array<vec2u>;
@group(0) @binding(5) var<storage, read> history: array<u32>;
@group(0) @binding(6) var<storage, read_write> masks: array<u32>;
@group(0) @binding(7) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn replay_sample_masks(@builtin(global_invocation_id) id: vec3u) {
  let b = id.x;
  let rows = step.size.x;
  if (b >= rows) { return; }
  for (var p = 0u; p < PANELS; p++) {
    masks[p * rows + b] = left_out[p];
    masks[(PANELS + p) * rows + b] = left_out[p];
  }
  if (REPEATS) { return; }
  let page = drawn[b];
  let before = begun[page.x * USERS + page.z];
  for (var k = before.x; k < before.y; k++) {
    let item = history[k];
    let bit = 1u << (item & 31u);
    masks[(item >> 5u) * rows + b] |= bit;
    masks[(PANELS + (item >> 5u)) * rows + b] |= bit;
  }
  // min: an invalid page number must not block the device for hours.
  for (var t = 0u; t <= min(page.y, T - 1u); t++) {
    let at = (page.x * T + t) * USERS + page.z;
    let slot = happened[at].x & ~LEFT;
    if (slot >= K) { continue; }
    let item = shown[at * K + slot];
    let bit = 1u << (item & 31u);
    if (t < page.y) { masks[(item >> 5u) * rows + b] |= bit; }
    masks[(PANELS + (item >> 5u)) * rows + b] |= bit;
  }
}

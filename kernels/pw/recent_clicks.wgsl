// recent_clicks.wgsl - lists the last clicks before every event, with facts about the clicked items
//   history [E] (clicks so far, end; LISTS: index after the last click)  item_id [.] an item's number
//   table [I, WIDTH] (shown, clicks, users, cutoff, S x (token, share), ...): see src/counts/count_columns.ts
//   recent [E, 2 + LAGS (2 + S)]  clicks so far; number of clicks that follow; then per click, the latest
//                     first: the item's number, or -1 - number if a later click has the same item; users who
//                     clicked the item; the item's S tokens. All are f32, which represents item numbers
//                     exactly: as integer bits small numbers would be denormal f32, which a GPU may flush
//                     when it copies rows
//
// The loop is that of pw_state_forward.wgsl: back over the events, or with LISTS over the user's clicks.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 64.
// Work split   one invocation owns one event. It writes the clicks as one contiguous list: a row of
//              row_counts.wgsl then needs neither the loop nor the clicked items' rows of the table.
// On a GPU     (reasoned) events are few and a loop is long, so latency is the limit for any workgroup size;
//              neighbours write LAGS (2 + S) words apart. Repeated items are found in registers: five vectors
//              contain the items, the latest first. Reading them from memory takes up to 190 loads, on
//              llvmpipe a tenth of the kernel's time.
// Cost         LAGS (2 + S) words read and written per event.      Next   row_counts.wgsl

const WORKGROUP = 64;
const LAGS = 20u;
const SLOTS = 0u;     // S
const WIDTH = 4u;
const LISTS = false;
const NONE = 0xffffffffu;
const STRIDE = 2u + SLOTS;
const EVENT = 4u * ((2u + LAGS * STRIDE + 3u) / 4u);  // rows are padded to whole vectors

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> item_id: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read_write> recent: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn recent_clicks(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }
  let lags = min(history[e].x, LAGS);
  recent[e * EVENT] = f32(history[e].x);
  recent[e * EVENT + 1u] = f32(lags);
  let first = e * EVENT + 2u;
  var past = select(e, history[e].y, LISTS);
  // The last LAGS items, at most 20.
  var v0 = vec4f(-1.0);
  var v1 = vec4f(-1.0);
  var v2 = vec4f(-1.0);
  var v3 = vec4f(-1.0);
  var v4 = vec4f(-1.0);
  for (var lag = 0u; lag < lags;) {
    past--;
    let fed = event[past].w;
    if (fed == NONE) { continue; }
    let item = item_id[fed];
    let to = first + lag * STRIDE;
    let number = f32(item);  // exact
    let same = vec4f(number);
    let before = any((v0 == same) | (v1 == same) | (v2 == same) | (v3 == same) | (v4 == same));
    v4 = vec4f(v3.w, v4.xyz);
    v3 = vec4f(v2.w, v3.xyz);
    v2 = vec4f(v1.w, v2.xyz);
    v1 = vec4f(v0.w, v1.xyz);
    v0 = vec4f(number, v0.xyz);
    recent[to] = select(number, -1.0 - number, before);
    recent[to + 1u] = table[item * WIDTH + 2u];
    for (var s = 0u; s < SLOTS; s++) { recent[to + 2u + s] = table[item * WIDTH + 4u + 2u * s]; }
    lag++;
  }
  for (var k = first + lags * STRIDE; k < (e + 1u) * EVENT; k++) { recent[k] = 0.0; }
}

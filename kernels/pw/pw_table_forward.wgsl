// pw_table_forward.wgsl - the state's part of the first layer, W1s s + b, from the last m clicks
//   table [I, n N]   W1s: an item's row has n blocks of N, one per weighting      bias [N]   output [E, N]
//   output_e = bias + sum over lags 1..m, over j, of c_e,lag,j table_k,j     k: the item at that lag before e
//
// c is coefficient[lag, j], the weights (sigma is the identity). With TANH c is coefficient[e, lag, 0, j] of
// pw_window.wgsl, and bias is its base, which contains tanh(item_bias) of the whole catalogue. With BY_EVENT
// (mixed features) table [E, n N] has a row per event, W1s f of the fed item, and k is that event. With LISTS
// (see pw_state_forward.wgsl) the events belong to four users with one list each: four loops, lag by lag.
// With one-hot features the state, I n numbers per event, is not computed: a click adds n rows.
//
// For          both kinds of adapter      Grid   (E / 4) (N / 4) invocations in workgroups of 64.
// Work split   one invocation owns four columns of four consecutive events. Mostly they belong to one user,
//              and their windows are almost the same. The invocation loops back over the union of the
//              windows: a click takes 8 vector loads for 128 flops (with one event: 5 for 32).
// On a GPU     (reasoned) neighbours own neighbouring columns of the same events: rows of the table are read
//              coalesced, all else is a broadcast. Four events share the table's loads, but leave a quarter
//              of the invocations. Workgroups of 64; without a barrier a subgroup waits only for its own
//              longest loop.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD, 64 of 125 vector operations in its loop multiply-adds
// On llvmpipe  with one event per invocation it takes one and a half times as long
// Cost         2 m n N flops per event, the table from cache.
// Backward     pw_table_backward.wgsl, pw_history_gradient.wgsl

const WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const TANH = false;
const BY_EVENT = false;
const LISTS = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> coefficient: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn of_table(at: u32, j: u32) -> vec4f {
  if (WEIGHTINGS % 4u != 0u && j >= WEIGHTINGS) { return vec4f(0.0); }
  return table[at + j * N4];
}

// Returns four weightings of event e at a lag; zeros if the event's window does not contain the click.
fn weighting(e: u32, lag: u32, block: u32, seen: bool) -> vec4f {
  if (!seen) { return vec4f(0.0); }
  if (TANH) { return coefficient[(e * LAGS + lag) * 3u * BLOCKS + block]; }
  return coefficient[lag * BLOCKS + block];
}

// Returns what the click at a lag adds to the sum of event e; `end` is the end of the user's clicks.
fn listed(e: u32, end: u32, lag: u32, column: u32) -> vec4f {
  var sum = vec4f(0.0);
  let at = event[end - 1u - lag].w * WEIGHTINGS * N4 + column;
  for (var block = 0u; block < BLOCKS; block++) {
    let t = mat4x4f(
      of_table(at, 4u * block),
      of_table(at, 4u * block + 1u),
      of_table(at, 4u * block + 2u),
      of_table(at, 4u * block + 3u),
    );
    sum += t * weighting(e, lag, block, true);
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn pw_table_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let e = 4u * (i / N4);
  let column = i % N4;
  if (e >= step.size.y) { return; }
  let last = step.size.y - 1u;
  let e1 = min(e + 1u, last);
  let e2 = min(e + 2u, last);
  let e3 = min(e + 3u, last);
  let h0 = history[e];
  let h1 = history[e1];
  let h2 = history[e2];
  let h3 = history[e3];
  let clicks = vec4u(h0.x, h1.x, h2.x, h3.x);
  let ends = vec4u(h0.y, h1.y, h2.y, h3.y);
  var s0 = bias[column];
  var s1 = s0;
  var s2 = s0;
  var s3 = s0;
  if (LISTS) {
    for (var lag = 0u; lag < LAGS; lag++) {
      if (lag < h0.x) { s0 += listed(e, h0.y, lag, column); }
      if (lag < h1.x) { s1 += listed(e1, h1.y, lag, column); }
      if (lag < h2.x) { s2 += listed(e2, h2.y, lag, column); }
      if (lag < h3.x) { s3 += listed(e3, h3.y, lag, column); }
    }
  }
  // Among one user's events the first has the earliest window. Later users' windows start later.
  var left = min(h0.x, LAGS);
  for (var past = e3; !LISTS && (past > e || left > 0u);) {
    past--;
    let item = event[past].w;
    if (item == NONE) { continue; }
    if (past < e) { left--; }
    let h = history[past];
    // A lag wraps to a large number for a click that does not precede the event.
    let lags = clicks - h.x - 1u;
    let seen = (lags < vec4u(LAGS)) & (ends == vec4u(h.y));
    for (var block = 0u; block < BLOCKS; block++) {
      let at = select(item, past, BY_EVENT) * WEIGHTINGS * N4 + column;
      let t = mat4x4f(
        of_table(at, 4u * block),
        of_table(at, 4u * block + 1u),
        of_table(at, 4u * block + 2u),
        of_table(at, 4u * block + 3u),
      );
      s0 += t * weighting(e, lags.x, block, seen.x);
      s1 += t * weighting(e1, lags.y, block, seen.y);
      s2 += t * weighting(e2, lags.z, block, seen.z);
      s3 += t * weighting(e3, lags.w, block, seen.w);
    }
  }
  let at = e * N4 + column;
  output[at] = s0;
  if (e + 1u <= last) { output[at + N4] = s1; }
  if (e + 2u <= last) { output[at + 2u * N4] = s2; }
  if (e + 3u <= last) { output[at + 3u * N4] = s3; }
}

// embedding_gradient.wgsl - gradient of a table in which the encoder looks up a row per clicked item
//   source [E, N]  gradients of the row that each event's click looked up      output [I, N]
//   output_i = sum of source over the events that fed item i to the encoder; 0 without such events
//   output [D, N]  without ITEMS: the same for the distinct items of the batch, before token_gradient.wgsl
//
// The clicks are found among the rows grouped by item; row.w is NONE if a row's click was not fed. Items that
// are not in the batch get 0: Adam still moves them by their moments.
//
// For          both kinds of adapter
// Grid         I N / 16 invocations in workgroups of 64 (without ITEMS D N / 16; on a GPU N / 4).
// Work split   one invocation owns 16 columns (4 on a GPU) of one item. A bit of ranked tells whether the
//              item is in the batch. The invocation adds up the item's events in order: no atomics, the same
//              bits in every run.
// On a GPU     (reasoned) neighbours own neighbouring vectors of a row: coalesced. Most items of a large
//              catalogue are not in the batch, and writing their zeros takes most of the time. All rows of an
//              item are read, though only clicks count. A row takes three dependent loads. For a popular item
//              24 loads are in flight: these three for eight rows. Workgroups of 64; without a barrier a
//              subgroup waits only for its own longest sum.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD (row by row: 24, 32); mi200 64, 4 (16, 10)
// Cost         4 bytes per element of the table written, 4 per element of source read.
// Forward      a look-up: lstm_forward.wgsl with TABLE      Only sparse rows   embedding_gradient_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;     // columns / 4
const VECTORS = 4u;  // number of vectors of four columns per invocation: 4 or 1
const BLOCKS = (N4 + VECTORS - 1u) / VECTORS;
const ITEMS = 1u;   // I; 0 for the distinct items of the batch
const ACCUMULATE = false;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // w: distinct items

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(2) var<storage, read> slot_first: array<u32>;
@group(0) @binding(3) var<storage, read> sorted: array<u32>;
@group(0) @binding(4) var<storage, read> row: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

// Eight consecutive rows of sorted; past the end the last row again.
struct Eight { low: vec4u, high: vec4u }

fn sorted_rows(k: u32, end: u32) -> Eight {
  let a = min(vec4u(k, k + 1u, k + 2u, k + 3u), vec4u(end - 1u));
  let b = min(vec4u(k + 4u, k + 5u, k + 6u, k + 7u), vec4u(end - 1u));
  return Eight(
    vec4u(sorted[a.x], sorted[a.y], sorted[a.z], sorted[a.w]),
    vec4u(sorted[b.x], sorted[b.y], sorted[b.z], sorted[b.w]),
  );
}

// Returns the events that feed clicks on rows k .. k + 7 of sorted; NONE for no event and past the end.
fn fed_events(r: Eight, k: u32, end: u32) -> Eight {
  let low = vec4u(row[r.low.x].w, row[r.low.y].w, row[r.low.z].w, row[r.low.w].w);
  let high = vec4u(row[r.high.x].w, row[r.high.y].w, row[r.high.z].w, row[r.high.w].w);
  let at = vec4u(k, k + 1u, k + 2u, k + 3u);
  return Eight(select(vec4u(NONE), low, at < vec4u(end)), select(vec4u(NONE), high, at + 4u < vec4u(end)));
}

// Returns an event's vector, or zeros. The load is unconditional: it would have to wait for its condition.
fn event_vector(e: u32, column: u32) -> vec4f {
  return select(vec4f(0.0), load_source(select(e, 0u, e == NONE) * N4 + column), e != NONE);
}

// Adds up an item's events in order, eight rows at a time. The vectors of these rows, the events of the next
// eight rows and the indices of the eight rows after those are loaded together.
fn sum_eights(first: u32, end: u32, column: u32) -> vec4f {
  var sum = vec4f(0.0);
  var e = fed_events(sorted_rows(first, end), first, end);
  var next = sorted_rows(first + 8u, end);
  for (var k = first; k < end; k += 8u) {
    let v0 = event_vector(e.low.x, column);
    let v1 = event_vector(e.low.y, column);
    let v2 = event_vector(e.low.z, column);
    let v3 = event_vector(e.low.w, column);
    let v4 = event_vector(e.high.x, column);
    let v5 = event_vector(e.high.y, column);
    let v6 = event_vector(e.high.z, column);
    let v7 = event_vector(e.high.w, column);
    e = fed_events(next, k + 8u, end);
    next = sorted_rows(k + 16u, end);
    sum = sum + v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
  }
  return sum;
}

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { output[at] += value; } else { output[at] = value; }
}

@compute @workgroup_size(WORKGROUP)
fn embedding_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= select(step.size.w, ITEMS, ITEMS > 0u) * BLOCKS) { return; }
  let item = i / BLOCKS;
  let column = VECTORS * (i % BLOCKS);
  var slot = item;
  var shown = true;
  if (ITEMS > 0u) {
    let entry = ranked[item >> 5u];
    let bit = 1u << (item & 31u);
    shown = (entry.x & bit) != 0u;
    slot = entry.y + countOneBits(entry.x & (bit - 1u));
  }
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  if (shown) {
    let end = slot_first[slot + 1u];
    if (VECTORS == 1u) { s0 = sum_eights(slot_first[slot], end, column); }
    for (var k = slot_first[slot]; VECTORS > 1u && k < end; k++) {
      let e = row[sorted[k]].w;
      if (e == NONE) { continue; }
      let at = e * N4 + column;
      s0 += load_source(at);
      if (column + 1u < N4) { s1 += load_source(at + 1u); }
      if (column + 2u < N4) { s2 += load_source(at + 2u); }
      if (column + 3u < N4) { s3 += load_source(at + 3u); }
    }
  }
  let at = item * N4 + column;
  put(at, s0);
  if (VECTORS > 1u && column + 1u < N4) { put(at + 1u, s1); }
  if (VECTORS > 1u && column + 2u < N4) { put(at + 2u, s2); }
  if (VECTORS > 1u && column + 3u < N4) { put(at + 3u, s3); }
}

// embedding_gradient_rows.wgsl - embedding_gradient.wgsl for only those rows of the table that a batch uses
//   source [E, N]  gradients of the row that each event's click looked up     sparse_rows [E]   output [E, N]
//   sparse_rows_e = the item that e feeds to the encoder, if e is the first event with this item, else NONE
//   output_e = sum of source over the events that feed the item sparse_rows_e; not written for NONE
//
// Many events may feed one item. The first of them, in the order of sorted, represents the item, so
// adam_rows.wgsl updates the item once. Sums have the order of embedding_gradient.wgsl, so their bits are
// equal.
//
// For          both kinds of adapter      Grid   E N / 4 invocations in workgroups of 64.
// Work split   one invocation owns four columns of one event. If another event feeds the item first, the
//              invocation returns, because that event computes the sum.
// On a GPU     (reasoned) neighbours own neighbouring columns of one event: source and output are coalesced,
//              and all neighbours read the same entries of sorted and row, a broadcast. Eight rows at a time,
//              as in embedding_gradient.wgsl. Workgroups of 64 fill subgroups: with 64 columns a subgroup of
//              32 has at most two rows.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD (row by row: 24, 32); mi200 64, 4 (16, 10)
// On llvmpipe  with 250,000 items embedding_gradient.wgsl takes almost thirty times as long for a batch
// Cost         4 bytes per element of source read, 4 per element of a sparse row's gradient written. The rows
//              that display the item are read once per four columns.
// Forward      a look-up: lstm_forward.wgsl with TABLE      Next   adam_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;     // columns / 4
const EIGHT = false;  // true on a GPU: loads of eight rows in flight
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(3) var<storage, read> slot_first: array<u32>;
@group(0) @binding(4) var<storage, read> sorted: array<u32>;
@group(0) @binding(5) var<storage, read> row: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> sparse_rows: array<u32>;
@group(0) @binding(7) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

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

fn either(e: u32, other: u32) -> u32 { return select(e, other, e == NONE); }

fn first_event(e: Eight) -> u32 {
  let low = either(e.low.x, either(e.low.y, either(e.low.z, e.low.w)));
  return either(low, either(e.high.x, either(e.high.y, either(e.high.z, e.high.w))));
}

@compute @workgroup_size(WORKGROUP)
fn embedding_gradient_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * N4) { return; }
  let own = i / N4;
  let column = i % N4;
  let item = event[own].w;
  var first = NONE;
  if (item != NONE) {
    let entry = ranked[item >> 5u];
    let slot = entry.y + countOneBits(entry.x & ((1u << (item & 31u)) - 1u));
    let end = slot_first[slot + 1u];
    var sum = vec4f(0.0);
    if (EIGHT) {
      // See embedding_gradient.wgsl.
      let start = slot_first[slot];
      var e = fed_events(sorted_rows(start, end), start, end);
      var next = sorted_rows(start + 8u, end);
      for (var k = start; k < end; k += 8u) {
        if (first == NONE) { first = first_event(e); }
        if (first != NONE && first != own) { break; }
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
    }
    for (var k = slot_first[slot]; !EIGHT && k < end; k++) {
      let e = row[sorted[k]].w;
      if (e == NONE) { continue; }
      if (first == NONE) { first = e; }
      if (first != own) { break; }
      sum += load_source(e * N4 + column);
    }
    if (first == own) { output[i] = sum; }
  }
  if (column == 0u) { sparse_rows[own] = select(NONE, item, first == own && item != NONE); }
}

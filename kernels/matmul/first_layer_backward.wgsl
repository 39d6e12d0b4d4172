// first_layer_backward.wgsl - gradients of both parts of first_layer_forward.wgsl: sums over rows
//   source         [R, N]  d loss / d (item part + state part); a row is a displayed item
//   state_gradient [E, N]  sum over the rows of an event, which are neighbours
//   item_gradient  [D, N]  sum over the rows of a distinct item, found by sorted. Rows that hid their item
//                          (see first_layer_forward.wgsl) are left out; the others have dropout's scale
//                  [I, N]  with ITEMS: one-hot features, one row per item of the catalogue; 0 for items that
//                          are not in the batch, which Adam still moves by their moments. Row-sparse Adam
//                          uses the gradients by distinct item, as with dense features
// For          both kinds of adapter
// Grid         (E + D) N / 16 invocations in workgroups of 64 (with ITEMS (E + I) N / 16; on a GPU N / 4).
// Work split   one invocation owns 16 columns (4 on a GPU) of one event or item and adds up its rows in
//              order: no atomics, the same bits in every run. Both sums are one dispatch, because launches
//              take most of a small step's time.
// On a GPU     (reasoned) columns and cache lines as in first_layer_forward.wgsl. An item's rows are anywhere
//              in the batch: a gather. A popular item's few invocations run longer than all others, so
//              sixteen loads are in flight: the vectors of eight rows, and the indices of the next eight. Row
//              by row, each row would wait twice. The order of the sums stays. Workgroups of 64; without a
//              barrier a subgroup waits only for its own longest sum.
//   compiled: navi31 60 VGPRs, 24 subgroups per SIMD (row by row: 12, 32); mi200 56, 4 (12, 10)
// On llvmpipe  the loop over rows costs: with four columns per invocation the kernel takes a third longer
//              than with sixteen; with eight hardly longer.
// Cost         2 flops and 4 bytes per element of source; 4 bytes per element written.
// Forward      first_layer_forward.wgsl

const WORKGROUP = 64;
const N4 = 16u;     // columns / 4
const VECTORS = 4u;  // number of vectors of four columns per invocation: 4 or 1
const BLOCKS = (N4 + VECTORS - 1u) / VECTORS;
const ITEMS = 0u;   // I with one-hot features and dense Adam, else 0
const KEPT = 4294967295u;  // a row keeps its item if the row's noise is at most KEPT
const KEPT_SCALE = 1.0;
const ACCUMULATE_STATE = false;
const ACCUMULATE_ITEM = false;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(3) var<storage, read> slot_first: array<u32>;
@group(0) @binding(4) var<storage, read> sorted: array<u32>;
@group(0) @binding(5) var<storage, read_write> state_gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> item_gradient: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

// A random number for row r in this step: the output function of a permuted congruential generator (PCG).
fn noise(r: u32) -> u32 {
  let state = (r ^ step.noise) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// Sums of sixteen neighbouring columns.
struct Sums { s0: vec4f, s1: vec4f, s2: vec4f, s3: vec4f }

fn kept(r: u32) -> bool { return KEPT == 4294967295u || noise(r) <= KEPT; }

// Returns four rows of the sum (of an event, or by sorted of an item); past the end the last row again.
fn rows_from(k: u32, end: u32, by_item: bool) -> vec4u {
  let at = min(vec4u(k, k + 1u, k + 2u, k + 3u), vec4u(end - 1u));
  if (!by_item) { return at; }
  return vec4u(sorted[at.x], sorted[at.y], sorted[at.z], sorted[at.w]);
}

// Returns a row's vector, or zeros. The load is unconditional: it would have to wait for its condition.
fn row_vector(r: u32, column: u32, counts: bool, by_item: bool) -> vec4f {
  return select(vec4f(0.0), load_source(r * N4 + column), counts && (!by_item || kept(r)));
}

// Adds up rows in order. On a GPU eight at a time: their vectors are loaded with the next eight indices.
fn sum_rows(first: u32, end: u32, by_item: bool, column: u32) -> Sums {
  var sum = Sums();
  if (VECTORS == 1u) {
    var low = rows_from(first, end, by_item);
    var high = rows_from(first + 4u, end, by_item);
    for (var k = first; k < end; k += 8u) {
      let v0 = row_vector(low.x, column, true, by_item);
      let v1 = row_vector(low.y, column, k + 1u < end, by_item);
      let v2 = row_vector(low.z, column, k + 2u < end, by_item);
      let v3 = row_vector(low.w, column, k + 3u < end, by_item);
      let v4 = row_vector(high.x, column, k + 4u < end, by_item);
      let v5 = row_vector(high.y, column, k + 5u < end, by_item);
      let v6 = row_vector(high.z, column, k + 6u < end, by_item);
      let v7 = row_vector(high.w, column, k + 7u < end, by_item);
      low = rows_from(k + 8u, end, by_item);
      high = rows_from(k + 12u, end, by_item);
      sum.s0 = sum.s0 + v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
    }
    return sum;
  }
  for (var k = first; k < end; k++) {
    var r = k;
    if (by_item) { r = sorted[k]; }
    if (by_item && !kept(r)) { continue; }
    let at = r * N4 + column;
    sum.s0 += load_source(at);
    if (column + 1u < N4) { sum.s1 += load_source(at + 1u); }
    if (column + 2u < N4) { sum.s2 += load_source(at + 2u); }
    if (column + 3u < N4) { sum.s3 += load_source(at + 3u); }
  }
  return sum;
}

fn put_state(at: u32, value: vec4f) {
  if (ACCUMULATE_STATE) { state_gradient[at] += value; } else { state_gradient[at] = value; }
}

fn put_item(at: u32, value: vec4f) {
  if (ACCUMULATE_ITEM) { item_gradient[at] += KEPT_SCALE * value; } else { item_gradient[at] = KEPT_SCALE * value; }
}

@compute @workgroup_size(WORKGROUP)
fn first_layer_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let column = VECTORS * (i % BLOCKS);
  if (i < step.size.y * BLOCKS) {
    let e = i / BLOCKS;
    let of_event = event[e];
    let sum = sum_rows(of_event.x, of_event.y, false, column);
    let at = e * N4 + column;
    put_state(at, sum.s0);
    if (VECTORS > 1u && column + 1u < N4) { put_state(at + 1u, sum.s1); }
    if (VECTORS > 1u && column + 2u < N4) { put_state(at + 2u, sum.s2); }
    if (VECTORS > 1u && column + 3u < N4) { put_state(at + 3u, sum.s3); }
    return;
  }
  let item = i / BLOCKS - step.size.y;
  if (item >= select(step.size.w, ITEMS, ITEMS > 0u)) { return; }
  var slot = item;
  var shown = true;
  if (ITEMS > 0u) {
    let entry = ranked[item >> 5u];
    let bit = 1u << (item & 31u);
    shown = (entry.x & bit) != 0u;
    slot = entry.y + countOneBits(entry.x & (bit - 1u));
  }
  var sum = Sums();
  if (shown) { sum = sum_rows(slot_first[slot], slot_first[slot + 1u], true, column); }
  let at = item * N4 + column;
  put_item(at, sum.s0);
  if (VECTORS > 1u && column + 1u < N4) { put_item(at + 1u, sum.s1); }
  if (VECTORS > 1u && column + 2u < N4) { put_item(at + 2u, sum.s2); }
  if (VECTORS > 1u && column + 3u < N4) { put_item(at + 3u, sum.s3); }
}

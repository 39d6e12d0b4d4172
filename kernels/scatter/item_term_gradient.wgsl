// item_term_gradient.wgsl - gradient of item_term_forward.wgsl by item
//   source [R]            d loss / d output         state [E, N] with STATE; otherwise state is 1 and N = 1
//   item_gradient [D, N]  sum of source_r state_e over a distinct item's rows, except rows that hide it
//                 [I, N]  with ITEMS: a row per item of the catalogue, 0 for items that are not in the batch
// For          both kinds of adapter
// Grid         D N / 4 invocations in workgroups of 64 (with ITEMS I N / 4).
// Work split   one invocation owns four columns of one item and adds up its rows in order: no atomics, the
//              same bits in every run.
// On a GPU     (reasoned) an item's rows are anywhere in the batch: a gather of one number and one vector per
//              row. A popular item's invocation runs longer than all others, so up to 32 loads are in flight,
//              for 24 rows. Workgroups of 64; without a barrier a subgroup waits only for its own longest
//              sum.
//   compiled: navi31 84 VGPRs, 18 subgroups per SIMD (row by row: 24, 32); mi200 80, 3 (16, 10). subgroups 3,
//              because loads in flight take registers; D N / 4 invocations are too few to fill a GPU anyway
// Cost         2 N flops, 16 bytes per row; 4 N bytes per item and event.
// Forward      item_term_forward.wgsl

const WORKGROUP = 64;
const N4 = 1u;     // columns / 4
const ITEMS = 0u;  // I with one-hot features and dense Adam, else 0
const STATE = false;
const KEPT = 4294967295u;  // a row keeps its item if the row's noise is at most KEPT
const KEPT_SCALE = 1.0;
const ACCUMULATE = false;
const EIGHT = false;  // true on a GPU: loads of eight rows in flight

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> row: array<vec4u>;
@group(0) @binding(3) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(4) var<storage, read> slot_first: array<u32>;
@group(0) @binding(5) var<storage, read> sorted: array<u32>;
@group(0) @binding(6) var<storage, read_write> item_gradient: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

// A random number for row r in this step: the output function of a permuted congruential generator (PCG).
fn noise(r: u32) -> u32 {
  let state = (r ^ step.noise) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

fn kept(r: u32) -> bool { return KEPT == 4294967295u || noise(r) <= KEPT; }

// Four rows of the sum: their indices, their sources, and the offsets of their events' vectors.
struct Four { r: vec4u, g: vec4f, at: vec4u }

// Returns four consecutive rows of sorted; past the end the last row again.
fn sorted_rows(k: u32, end: u32) -> vec4u {
  let at = min(vec4u(k, k + 1u, k + 2u, k + 3u), vec4u(end - 1u));
  return vec4u(sorted[at.x], sorted[at.y], sorted[at.z], sorted[at.w]);
}

fn four(r: vec4u, column: u32) -> Four {
  var at = vec4u(0u);
  if (STATE) { at = vec4u(row[r.x].x, row[r.y].x, row[r.z].x, row[r.w].x) * N4 + column; }
  return Four(r, vec4f(source[r.x], source[r.y], source[r.z], source[r.w]), at);
}

// Returns a row's product, or zeros. A load under a condition would wait for it: so state is always loaded.
fn product(r: u32, g: f32, at: u32, counts: bool) -> vec4f {
  var p = vec4f(g, 0.0, 0.0, 0.0);
  if (STATE) { p = g * state[at]; }
  return select(vec4f(0.0), p, counts && kept(r));
}

// Adds up rows in order, eight at a time. The states of these rows, the sources and events of the next eight
// rows and the indices of the eight rows after those are loaded together.
fn sum_eights(first: u32, end: u32, column: u32) -> vec4f {
  var sum = vec4f(0.0);
  var a = four(sorted_rows(first, end), column);
  var b = four(sorted_rows(first + 4u, end), column);
  var low = sorted_rows(first + 8u, end);
  var high = sorted_rows(first + 12u, end);
  for (var k = first; k < end; k += 8u) {
    let v0 = product(a.r.x, a.g.x, a.at.x, true);
    let v1 = product(a.r.y, a.g.y, a.at.y, k + 1u < end);
    let v2 = product(a.r.z, a.g.z, a.at.z, k + 2u < end);
    let v3 = product(a.r.w, a.g.w, a.at.w, k + 3u < end);
    let v4 = product(b.r.x, b.g.x, b.at.x, k + 4u < end);
    let v5 = product(b.r.y, b.g.y, b.at.y, k + 5u < end);
    let v6 = product(b.r.z, b.g.z, b.at.z, k + 6u < end);
    let v7 = product(b.r.w, b.g.w, b.at.w, k + 7u < end);
    a = four(low, column);
    b = four(high, column);
    low = sorted_rows(k + 16u, end);
    high = sorted_rows(k + 20u, end);
    sum = sum + v0 + v1 + v2 + v3 + v4 + v5 + v6 + v7;
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn item_term_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= select(step.size.w, ITEMS, ITEMS > 0u) * N4) { return; }
  let item = i / N4;
  let column = i % N4;
  var slot = item;
  var shown = true;
  if (ITEMS > 0u) {
    let entry = ranked[item >> 5u];
    let bit = 1u << (item & 31u);
    shown = (entry.x & bit) != 0u;
    slot = entry.y + countOneBits(entry.x & (bit - 1u));
  }
  var sum = vec4f(0.0);
  if (shown) {
    let end = slot_first[slot + 1u];
    if (EIGHT) { sum = sum_eights(slot_first[slot], end, column); }
    for (var k = slot_first[slot]; !EIGHT && k < end; k++) {
      let r = sorted[k];
      if (KEPT != 4294967295u && noise(r) > KEPT) { continue; }
      if (STATE) { sum += source[r] * state[row[r].x * N4 + column]; } else { sum.x += source[r]; }
    }
  }
  sum *= KEPT_SCALE;
  if (ACCUMULATE) { sum += item_gradient[i]; }
  item_gradient[i] = sum;
}

// slate_pick.wgsl - the best item of all goes into the next slot of the slate, and later positions get to know it
//
//   best [panels, R] (value, item) of 32 items each   table [I, .] of the position   slates [R, k]   masked [panels, R] bits
//   item = the one with the largest value, the lowest of equal ones; slates_r,position = item, its bit is set
//   q_r,position += value                             (q holds the part of the state alone before)
//   bases_r += table_item's part for later positions
//   current_r = bases_r of the next position, + its bias: what slate_score_panel.wgsl reads next
//   With no panels only the last line: before the first position.      With GIVEN the item is the one in the slot already.
//
// Where all items are masked, the lowest item that is not in the slate yet takes the slot, with the value 0.
//
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns a row.
// On a GPU     (reasoned) few rows leave the GPU idle; the work is 1/1000 of scoring the catalogue. There are few workgroups of
//              64, so most cores stay idle: latency decides.
// Cost         R (I / 32 + later + L) flops, 4 bytes for each and 8 R I / 32.

const WORKGROUP = 64;
const M = 1u;    // step.size[M] is the number of rows
const L4 = 16u;  // hidden units / 4
const GIVEN = false;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

struct Place {
  items: u32,
  mask_stride: u32,    // words from one panel's bits to the next
  slate: u32,
  position: u32,
  base_stride4: u32,   // vectors from a row of bases to the next
  next_at4: u32,       // where the base of the next position is in it; NONE after the last
  table_stride4: u32,
  table_at4: u32,      // of an item's own part
  chosen_at4: u32,     // of what it adds to later positions
  later_at4: u32,      // where that goes in a row of bases
  later4: u32,         // and how many vectors it is
  output_at4: u32,     // the position's weights among all
  next_bias4: u32,     // the next position's bias among all weights, or NONE
  q_stride: u32,
  scores_stride4: u32,
  panels: u32,
}

@group(0) @binding(0) var<storage, read> best: array<vec2u>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> bases: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> masked: array<u32>;
@group(0) @binding(5) var<storage, read_write> slates: array<u32>;
@group(0) @binding(6) var<storage, read_write> q: array<f32>;
@group(0) @binding(7) var<storage, read_write> current: array<vec4f>;
@group(0) @binding(8) var<uniform> place: Place;
@group(0) @binding(9) var<uniform> step: Step;

fn store_current(i: u32, value: vec4f) { current[i] = value; }

const NONE = 0xffffffffu;

// The lowest item that the row's slate does not have yet.
fn unused(row: u32) -> u32 {
  var item = 0u;
  for (var round = 0u; round < place.position; round++) {
    for (var j = 0u; j < place.position; j++) {
      if (slates[row * place.slate + j] == item) { item++; }
    }
  }
  return min(item, place.items - 1u);
}

fn pick(row: u32) -> u32 {
  let rows = step.size[M];
  var most = best[row];
  for (var p = 1u; p < place.panels; p++) {
    let other = best[p * rows + row];
    if (other.y != NONE && (most.y == NONE || bitcast<f32>(other.x) > bitcast<f32>(most.x))) { most = other; }
  }
  let slot = row * place.slate + place.position;
  if (most.y == NONE) { most = vec2u(0u, unused(row)); }
  if (GIVEN) { most.y = slates[slot]; } else { slates[slot] = most.y; }
  masked[most.y / 32u * place.mask_stride + row] |= 1u << (most.y % 32u);
  q[row * place.q_stride + place.position] += bitcast<f32>(most.x);
  return most.y;
}

@compute @workgroup_size(WORKGROUP)
fn slate_pick(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= step.size[M]) { return; }
  if (place.panels > 0u) {
    let item = pick(row);
    let source = item * place.table_stride4 + place.chosen_at4;
    let to = row * place.base_stride4 + place.later_at4;
    for (var v = 0u; v < place.later4; v++) { bases[to + v] += table[source + v]; }
  }
  // Behind the last position there is nothing to be read next.
  if (place.next_at4 == NONE) { return; }
  for (var v = 0u; v < L4; v++) {
    var b = bases[row * place.base_stride4 + place.next_at4 + v];
    if (place.next_bias4 != NONE) { b += weights[place.next_bias4 + v]; }
    store_current(row * L4 + v, b);
  }
}

// slate_pick.wgsl - puts the best item of all panels into the slate's next slot
//   best [panels, R] (value, item) per 32 items  table [I, .]  slates [R, k]  masked [panels, R] bits
//   item = the item of the largest value, the lowest among equals; slates_r,position = item; its bit is set
//   q_r,position += value                             (before, q has only the part of the state)
//   bases_r += table_item's part for later positions
//   current_r = bases_r of the next position: slate_score_panel.wgsl reads current next
//   With panels = 0 only the last line: before the first position.  With GIVEN the slot already has the item.
//
// If all items are masked, the lowest item that is not yet in the slate takes the slot, with value 0.
//
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns a row.
// On a GPU     (reasoned) few rows leave the GPU idle; scoring the catalogue takes 1,000 times the work.
//              There are few workgroups of 64, so most cores stay idle: latency is the limit.
// Cost         R (I / 32 + later + L) flops, 4 bytes for each and 8 R I / 32.

const WORKGROUP = 64;
const M = 1u;    // step.size[M] is the number of rows
const L4 = 16u;  // hidden units / 4
const GIVEN = false;

struct Step { size: vec4u }  // sizes of the batch

struct Place {
  items: u32,
  mask_stride: u32,   // number of words per panel of 32 items
  slate: u32,
  position: u32,
  base_stride4: u32,  // vectors per row of bases
  next_at4: u32,      // offset of the next position's base in a row; NONE after the last position
  table_stride4: u32,
  unread: u32,        // a field that this kernel does not read
  chosen_at4: u32,    // offset of the item's part for later positions in its table row
  later_at4: u32,     // offset in a row of bases to which that part is added
  later4: u32,        // number of vectors of that part
  unread2: u32,       // a field that this kernel does not read
  q_stride: u32,
  unread3: u32,       // a field that this kernel does not read
  panels: u32,
}

@group(0) @binding(0) var<storage, read> best: array<vec2u>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> bases: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> masked: array<u32>;
@group(0) @binding(4) var<storage, read_write> slates: array<u32>;
@group(0) @binding(5) var<storage, read_write> q: array<f32>;
@group(0) @binding(6) var<storage, read_write> current: array<vec4f>;
@group(0) @binding(7) var<uniform> place: Place;
@group(0) @binding(8) var<uniform> step: Step;

fn store_current(i: u32, value: vec4f) { current[i] = value; }

const NONE = 0xffffffffu;

// Returns the lowest item that is not yet in the row's slate.
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
  // After the last position no base is read.
  if (place.next_at4 == NONE) { return; }
  for (var v = 0u; v < L4; v++) {
    store_current(row * L4 + v, bases[row * place.base_stride4 + place.next_at4 + v]);
  }
}

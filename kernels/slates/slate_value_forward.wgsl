// slate_value_forward.wgsl - the value of the item in one slot of a given slate
//   slates [R, k]  table [I, .]  bases [R, .]  values [R, .] the state's part  weights: all of the network
//   hidden_rj = relu(bases_rj + table_item's own part),  item = slates_rj,  j the position
//   q_rj = values_r,at + sum_n weights_n hidden_rjn          bases_r += table_item's part for later positions
//   slot_r = item: the slates by slot, for gathers of item vectors in the backward pass
//   The last position also writes the value without a click, values_r,zero_at, after the others, and zeros up
//     to a whole vector.
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns a row. A dispatch computes one position, because the next position needs
//              its bases.
// On a GPU     (reasoned) a few hundred rows leave most of the GPU idle; no load is coalesced: bound by
//              latency.
// Cost         R (4 L + later) flops, 4 R (4 L + 3 later) bytes.
// Accuracy     L roundings of the running sum      Backward   slate_value_backward.wgsl

const WORKGROUP = 64;
const M = 1u;    // step.size[M] is the number of rows
const L4 = 16u;  // hidden units / 4: L

struct Step { size: vec4u }  // sizes of the batch

struct Slot {
  slate: u32,
  position: u32,
  base_stride4: u32,   // vectors per row of bases
  base_at4: u32,       // offset of the position's base in a row
  table_stride4: u32,
  table_at4: u32,      // offset of an item's own part in its table row
  chosen_at4: u32,     // offset of the item's part for later positions in its table row
  later_at4: u32,      // offset in a row of bases to which that part is added
  later4: u32,         // number of vectors of that part
  output4: u32,        // offset of the position's weights among all weights
  q_stride: u32,
  value_stride: u32,
  value_at: u32,
  zero_at: u32,        // NONE if a slate without a click has no separate value
}

@group(0) @binding(0) var<storage, read> table: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> slates: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> bases: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> q: array<f32>;
@group(0) @binding(6) var<storage, read_write> hidden: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> slot_item: array<u32>;
@group(0) @binding(8) var<uniform> place: Slot;
@group(0) @binding(9) var<uniform> step: Step;

const NONE = 0xffffffffu;

@compute @workgroup_size(WORKGROUP)
fn slate_value_forward(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= step.size[M]) { return; }
  let item = slates[row * place.slate + place.position];
  slot_item[row] = item;
  let base = row * place.base_stride4;
  let own = item * place.table_stride4;
  var sum = vec4f(0.0);
  for (var v = 0u; v < L4; v++) {
    let z = bases[base + place.base_at4 + v] + table[own + place.table_at4 + v];
    let h = max(z, vec4f(0.0));
    hidden[(row * place.slate + place.position) * L4 + v] = h;
    sum = fma(weights[place.output4 + v], h, sum);
  }
  let to = row * place.q_stride;
  let given = row * place.value_stride;
  q[to + place.position] = values[given + place.value_at] + ((sum.x + sum.y) + (sum.z + sum.w));
  for (var v = 0u; v < place.later4; v++) {
    bases[base + place.later_at4 + v] += table[own + place.chosen_at4 + v];
  }
  if (place.position + 1u < place.slate) { return; }
  for (var c = place.slate; c < place.q_stride; c++) {
    var rest = 0.0;
    if (c == place.slate && place.zero_at != NONE) { rest = values[given + place.zero_at]; }
    q[to + c] = rest;
  }
}

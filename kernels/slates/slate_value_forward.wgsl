// slate_value_forward.wgsl - the value of the item that is in a slot of a given slate, and what later positions get of it
//
//   slates [R, k]   table [I, .]   bases [R, .]   values [R, .] the part of the state alone   weights: all of the network
//   hidden_rj = relu(bases_rj + bias_j + table_item's own part),  item = slates_rj,  j the position
//   q_rj = values_r,at + sum_n weights_n hidden_rjn          bases_r += table_item's part for later positions
//   slot_r = item: the slates by slot, for gathers of item vectors on the way back
//   At the last position also the value without a click, values_r,zero_at, after the others, and zeros up to a whole vector.
//
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns a row. A dispatch does one position: the next one needs its bases.
// On a GPU     (reasoned) there are a few hundred rows, so most of the GPU is idle; no load is coalesced. There are few
//              workgroups of 64, so most cores stay idle: latency decides.
// Cost         R (4 L + later) flops, 4 R (4 L + 3 later) bytes.     Accuracy   L roundings of the running sum
// Backward     slate_value_backward.wgsl

const WORKGROUP = 64;
const M = 1u;    // step.size[M] is the number of rows
const L4 = 16u;  // hidden units / 4: L

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

struct Slot {
  slate: u32,
  position: u32,
  base_stride4: u32,   // vectors from a row of bases to the next
  base_at4: u32,       // where the position's base is in it
  bias4: u32,          // the position's bias among all weights, or NONE
  table_stride4: u32,
  table_at4: u32,      // of an item's own part
  chosen_at4: u32,     // of what it adds to later positions
  later_at4: u32,      // where that goes in a row of bases
  later4: u32,         // and how many vectors it is
  output4: u32,        // the position's weights among all
  q_stride: u32,
  value_stride: u32,
  value_at: u32,
  zero_at: u32,        // NONE where a slate without a click has no value of its own
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
    var z = bases[base + place.base_at4 + v];
    if (place.bias4 != NONE) { z += weights[place.bias4 + v]; }
    z += table[own + place.table_at4 + v];
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

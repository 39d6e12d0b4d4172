// token_sum.wgsl - the product of an item's tokens with a table: a sum of a few of its rows
//
//   table [V, N]   item_first [I+1], token [P]   the tokens of item i are token[item_first[i] .. item_first[i+1])
//   output [D, N]  a row for each distinct item: output += sum of the table's rows, in the order of the item's tokens
//   output [E, N]  with BY_EVENT: a row for each event, of the item that it feeds; nothing is added where it feeds none
//
// With ADD the output holds the product of the items' dense features already; without, it is overwritten.
// An item's tokens are a vector of V numbers, a few ones and otherwise zeros: W f over it never becomes a matrix product.
//
// For          both kinds of adapter      Grid   D N / 4 invocations in workgroups of 64 (with BY_EVENT E N / 4).
// Work split   one invocation owns four columns of one item or event.
// On a GPU     (reasoned) neighbours own neighbouring columns, so each row of the table is read coalesced; which row it is, is
//              random. The list of tokens is a broadcast. Items with many tokens take longer than their neighbours. Workgroups
//              of 64, without a barrier: a subgroup waits only for its own longest walk.
// Cost         a flop and 4 bytes per element of a token's row.      Backward   token_gradient.wgsl, token_gradient_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;  // columns / 4
const BY_EVENT = false;
const ADD = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> table: array<vec4f>;
@group(0) @binding(1) var<storage, read> item_first: array<u32>;
@group(0) @binding(2) var<storage, read> token: array<u32>;
@group(0) @binding(3) var<storage, read> slot_item: array<u32>;
@group(0) @binding(4) var<storage, read> event: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn token_sum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let own = i / N4;
  let column = i % N4;
  if (own >= select(step.size.w, step.size.y, BY_EVENT)) { return; }
  var item = NONE;
  if (BY_EVENT) { item = event[own].w; } else { item = slot_item[own]; }
  var sum = vec4f(0.0);
  if (ADD) { sum = output[i]; }
  if (item != NONE) {
    let end = item_first[item + 1u];
    for (var p = item_first[item]; p < end; p++) { sum += table[token[p] * N4 + column]; }
  }
  output[i] = sum;
}

// token_sum.wgsl - the product of an item's tokens with a table: a sum of a few of the table's rows
//   table [V, N]  item_first [I+1], token [P]  item i has the tokens token[item_first[i] .. item_first[i+1])
//   output [D, N]  a row per distinct item: output += sum of its tokens' rows, in the order of the tokens
//   output [E, N]  with BY_EVENT: a row per event, of its fed item; nothing is added without a fed item
//
// With ADD output already contains the product of the items' dense features; otherwise output is overwritten.
// Item tokens are a vector of V numbers, a few ones and else zeros: their product W f is not computed as a
// matrix product.
//
// For          both kinds of adapter
// Grid         D N / 16 invocations in workgroups of 64 (with BY_EVENT E N / 16; on a GPU N / 4).
// Work split   one invocation owns 16 columns (4 on a GPU) of one item or event, so it reads the token list
//              once for them.
// On a GPU     (reasoned) neighbours own neighbouring columns, so each row of the table is read coalesced,
//              but the rows are random. The token list is a broadcast. Items with many tokens take longer
//              than their neighbours. Workgroups of 64; without a barrier a subgroup waits only for its own
//              longest loop.
// On llvmpipe  the item part of workload W6 takes .70 ms; with one invocation per four columns 1.02 ms
// Cost         1 flop and 4 bytes per element of a token's row.
// Backward     token_gradient.wgsl, token_gradient_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;      // columns / 4
const VECTORS = 4u;  // number of vectors of four columns per invocation: 4 or 1
const BLOCKS = (N4 + VECTORS - 1u) / VECTORS;
const BY_EVENT = false;
const ADD = false;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events, w: distinct items

@group(0) @binding(0) var<storage, read> table: array<vec4f>;
@group(0) @binding(1) var<storage, read> item_first: array<u32>;
@group(0) @binding(2) var<storage, read> token: array<u32>;
@group(0) @binding(3) var<storage, read> slot_item: array<u32>;
@group(0) @binding(4) var<storage, read> event: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn start(at: u32) -> vec4f {
  if (ADD) { return output[at]; }
  return vec4f(0.0);
}

@compute @workgroup_size(WORKGROUP)
fn token_sum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= select(step.size.w, step.size.y, BY_EVENT) * BLOCKS) { return; }
  let own = i / BLOCKS;
  let column = VECTORS * (i % BLOCKS);
  var item = NONE;
  if (BY_EVENT) { item = event[own].w; } else { item = slot_item[own]; }
  let at = own * N4 + column;
  var s0 = start(at);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  if (VECTORS > 1u && column + 1u < N4) { s1 = start(at + 1u); }
  if (VECTORS > 1u && column + 2u < N4) { s2 = start(at + 2u); }
  if (VECTORS > 1u && column + 3u < N4) { s3 = start(at + 3u); }
  if (item != NONE) {
    let end = item_first[item + 1u];
    for (var p = item_first[item]; p < end; p++) {
      let first = token[p] * N4 + column;
      s0 += table[first];
      if (VECTORS > 1u && column + 1u < N4) { s1 += table[first + 1u]; }
      if (VECTORS > 1u && column + 2u < N4) { s2 += table[first + 2u]; }
      if (VECTORS > 1u && column + 3u < N4) { s3 += table[first + 3u]; }
    }
  }
  output[at] = s0;
  if (VECTORS > 1u && column + 1u < N4) { output[at + 1u] = s1; }
  if (VECTORS > 1u && column + 2u < N4) { output[at + 2u] = s2; }
  if (VECTORS > 1u && column + 3u < N4) { output[at + 3u] = s3; }
}

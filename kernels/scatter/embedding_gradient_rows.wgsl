// embedding_gradient_rows.wgsl - embedding_gradient.wgsl for the table's rows that a batch touches; the others cost nothing
//
//   source [E, N]  gradients of what each event's click looked up      sparse_rows [E]   output [E, N]
//   touched_e = the item that e feeds to the encoder, if e is the first to feed it, else NONE
//   output_e = sum of source over the events that feed the item touched_e; not written for NONE
//
// Many events may feed one item. The first of them, in the order of sorted, stands for it, so adam_rows.wgsl finds the item
// once. Sums have the order of embedding_gradient.wgsl, so the bits are the same.
//
// For          both kinds of adapter      Grid   E N / 4 invocations in workgroups of 64.
// Work split   one invocation owns four columns of one event. Where it meets another event that feeds the item first, it ends:
//              that event computes the sum.
// On a GPU     (reasoned) neighbours own neighbouring columns of one event: source and output are coalesced, and the walk along
//              sorted and row is the same for all of them, a broadcast. Workgroups of 64 fill subgroups: with 64 columns or
//              more a subgroup of 32 has at most two rows.
// On llvmpipe  with 250,000 items embedding_gradient.wgsl takes almost thirty times as long for a batch
// Cost         4 bytes per element of source read, 4 per element of a sparse row's gradient written. The rows that show the
//              item are walked once for each four columns.
// Forward      a look-up: lstm_forward.wgsl with TABLE      Next   adam_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;     // columns / 4
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

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
    for (var k = slot_first[slot]; k < end; k++) {
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

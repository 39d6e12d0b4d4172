// embedding_gradient.wgsl - gradient of a table whose row per item is looked up by the encoder
//
//   source [E, N]  gradients of what each event's click looked up      output [I, N]
//   output_i = sum of source over the events whose clicked item i was fed to the encoder, and 0 without any
//   output [D, N]  without ITEMS: the same for the distinct items of the batch, before token_gradient
//
// The clicks are found among the rows by item: those that fed nothing carry NONE.
// Items that are absent get a true zero: Adam goes on moving them by their moments, as the reference does.
//
// Work split   one invocation owns four columns of one item; a bit of ranked tells whether the batch shows it.
// Cost         4 bytes an element of the table written, 4 an element of source read.      Forward   a look-up

const WORKGROUP = 64;
const N4 = 16u;     // columns / 4
const ITEMS = 1u;   // I; 0 for the distinct items of the batch
const ACCUMULATE = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(2) var<storage, read> slot_first: array<u32>;
@group(0) @binding(3) var<storage, read> sorted: array<u32>;
@group(0) @binding(4) var<storage, read> row: array<vec4u>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_source(i: u32) -> vec4f { return source[i]; }

@compute @workgroup_size(WORKGROUP)
fn embedding_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= select(step.size.w, ITEMS, ITEMS > 0u) * N4) { return; }
  let item = i / N4;
  let column = i % N4;
  var sum = vec4f(0.0);
  var slot = item;
  var shown = true;
  if (ITEMS > 0u) {
    let entry = ranked[item >> 5u];
    let bit = 1u << (item & 31u);
    shown = (entry.x & bit) != 0u;
    slot = entry.y + countOneBits(entry.x & (bit - 1u));
  }
  if (shown) {
    let end = slot_first[slot + 1u];
    for (var k = slot_first[slot]; k < end; k++) {
      let e = row[sorted[k]].w;
      if (e != NONE) { sum += load_source(e * N4 + column); }
    }
  }
  if (ACCUMULATE) { sum += output[i]; }
  output[i] = sum;
}

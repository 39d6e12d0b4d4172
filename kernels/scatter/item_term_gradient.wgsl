// item_term_gradient.wgsl - gradient of item_term_forward.wgsl by item
//
//   source [R]            d loss / d output         state [E, N] with STATE; otherwise it is 1, and N is 1
//   item_gradient [D, N]  sum over the rows of a distinct item of source_r state_e; rows that hide their item are left out
//                 [I, N]  with ITEMS: a row for every item of the catalogue, 0 for those that the batch does not show
//
// For          both kinds of adapter      Grid   D N / 4 invocations in workgroups of 64 (with ITEMS I N / 4).
// Work split   one invocation owns four columns of one item and adds up its rows in order: no atomics, the same bits every time.
// On a GPU     (reasoned) an item's rows are anywhere in the batch: a gather of one number and one vector per row. A popular
//              item keeps its invocation walking after the others have ended. Workgroups of 64, without a barrier: a subgroup
//              waits only for its own longest walk.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD, 4 of 11 vector operations in its loop multiply-adds
// Cost         2 N flops, 16 bytes per row; 4 N an item and event.      Forward   item_term_forward.wgsl

const WORKGROUP = 64;
const N4 = 1u;     // columns / 4
const ITEMS = 0u;  // I with one-hot features and dense Adam, else 0
const STATE = false;
const KEPT = 4294967295u;  // a row keeps its item when its noise is at most this
const KEPT_SCALE = 1.0;
const ACCUMULATE = false;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // the seed of what is random in the step
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
    for (var k = slot_first[slot]; k < end; k++) {
      let r = sorted[k];
      if (KEPT != 4294967295u && noise(r) > KEPT) { continue; }
      if (STATE) { sum += source[r] * state[row[r].x * N4 + column]; } else { sum.x += source[r]; }
    }
  }
  sum *= KEPT_SCALE;
  if (ACCUMULATE) { sum += item_gradient[i]; }
  item_gradient[i] = sum;
}

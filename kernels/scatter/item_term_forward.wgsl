// item_term_forward.wgsl - a term of the utility that is a product of two vectors, of the event and of the item
//
//   item [D, N]   of each distinct item, or a table [I, N]     state [E, N], with STATE; otherwise N = 1 and it is 1
//   base [R]      what the term is added to; without BASE one number for all rows
//   output [R]    output_r = base_r + sum_k state_ek item_ik        e, i: event and item of row r
//
// Item dropout: a row that hides its item has no term, the others have KEPT_SCALE times theirs. The rows are those of
// first_layer_forward.wgsl.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns one event (1 to about 50 rows) and walks along its rows.
// On a GPU     (reasoned) the event's vector is read once a row, from cache; the item's rows are a gather. N is small (1 to
//              64), so the columns of a row are not worth invocations of their own.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD (of 16 invocations: 24, 16); mi200 16, 10 (16, 10)
// Cost         2 N flops, 12 bytes per row; 4 N an item and event.      Backward   item_term_backward.wgsl, item_term_gradient.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const N4 = 1u;  // columns / 4
const STATE = false;
const BASE = false;
const KEPT = 4294967295u;  // a row keeps its item when its noise is at most this
const KEPT_SCALE = 1.0;

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

@group(0) @binding(0) var<storage, read> item: array<vec4f>;
@group(0) @binding(1) var<storage, read> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> event: array<vec4u>;
@group(0) @binding(3) var<storage, read> row_item: array<u32>;
@group(0) @binding(4) var<storage, read> base: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

// A random number for row r in this step: the output function of a permuted congruential generator (PCG).
fn noise(r: u32) -> u32 {
  let state = (r ^ step.noise) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

@compute @workgroup_size(WORKGROUP)
fn item_term_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }
  let of_event = event[e];
  for (var r = of_event.x; r < of_event.y; r++) {
    var sum = vec4f(0.0);
    if (KEPT == 4294967295u || noise(r) <= KEPT) {
      for (var k = 0u; k < N4; k++) {
        let c = item[row_item[r] * N4 + k];
        if (STATE) { sum += state[e * N4 + k] * c; } else { sum += c; }
      }
    }
    output[r] = base[select(0u, r, BASE)] + KEPT_SCALE * ((sum.x + sum.y) + (sum.z + sum.w));
  }
}

// item_term_forward.wgsl - a term of the utility that is a dot product of an event's and an item's vector
//   item [D, N]  per distinct item, or a table [I, N]  state [E, N] with STATE; otherwise N and state are 1
//   base [R]      the term is added to base; without BASE base is one number for all rows
//   output [R]    output_r = base_r + sum_k state_ek item_ik        e, i: event and item of row r
//
// Item dropout: a row that hides its item has no term, the terms of the other rows are scaled by KEPT_SCALE.
// The same rows hide their item as in first_layer_forward.wgsl.
//
// For          both kinds of adapter      Grid   E invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns one event (1 to about 50 rows) and loops over its rows.
// On a GPU     (reasoned) the event's vector is read once per row, from cache; the items' rows are a gather.
//              N is small (1 to 64), so more invocations per row would not pay.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD (of 16 invocations: 24, 16); mi200 16, 10 (16, 10)
// Cost         2 N flops, 12 bytes per row; 4 N bytes per item and event.
// Backward     item_term_backward.wgsl, item_term_gradient.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const N4 = 1u;  // columns / 4
const STATE = false;
const BASE = false;
const KEPT = 4294967295u;  // a row keeps its item if the row's noise is at most KEPT
const KEPT_SCALE = 1.0;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
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

// item_term_backward.wgsl - gradient of item_term_forward.wgsl by event: of the event's vector
//   source [R]             d loss / d output
//   state_gradient [E, N]  sum of source_r item_i over the rows of an event, except rows that hide their item
// For          both kinds of adapter      Grid   E N / 4 invocations in workgroups of 16 (64 on a GPU).
// Work split   one invocation owns four columns of one event.
// On a GPU     (reasoned) there are few columns, and neighbours own neighbouring ones; an event's rows are
//              neighbours. Items are gathered as in the forward kernel.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD (of 16 invocations: 24, 16); mi200 16, 10 (16, 10)
// Cost         2 N flops, 12 bytes per row; 4 N bytes per item and event.
// Forward      item_term_forward.wgsl

const WORKGROUP = 16;
const GPU_WORKGROUP = 64;
const N4 = 1u;  // columns / 4
const KEPT = 4294967295u;  // a row keeps its item if the row's noise is at most KEPT
const KEPT_SCALE = 1.0;
const ACCUMULATE_STATE = false;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> item: array<vec4f>;
@group(0) @binding(2) var<storage, read> event: array<vec4u>;
@group(0) @binding(3) var<storage, read> row_item: array<u32>;
@group(0) @binding(4) var<storage, read_write> state_gradient: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

// A random number for row r in this step: the output function of a permuted congruential generator (PCG).
fn noise(r: u32) -> u32 {
  let state = (r ^ step.noise) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

@compute @workgroup_size(WORKGROUP)
fn item_term_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * N4) { return; }
  let e = i / N4;
  let column = i % N4;
  let of_event = event[e];
  var sum = vec4f(0.0);
  for (var r = of_event.x; r < of_event.y; r++) {
    let g = source[r];
    if (KEPT == 4294967295u || noise(r) <= KEPT) { sum += g * item[row_item[r] * N4 + column]; }
  }
  sum *= KEPT_SCALE;
  if (ACCUMULATE_STATE) { sum += state_gradient[i]; }
  state_gradient[i] = sum;
}

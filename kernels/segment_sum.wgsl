// segment_sum.wgsl - sums rows that belong together: those of an event, or those of an item
//
//   source [., N]   first [S+1]  where each segment starts      output [S, N]
//   output_s = sum over k in first[s] .. first[s+1] of source[ORDERED ? order[k] : k]
//
// Backward of first_layer_forward: the rows of an event are neighbours; the rows of an item are found through order.
//
// Work split   one invocation owns four columns of one segment and walks its rows in order: no atomics, same bits.
// Cost         1 flop and 4 bytes an element read.

const WORKGROUP = 64;
const N4 = 16u;           // columns / 4
const SEGMENTS = 1u;      // which of step.size counts the segments: 1 events, 3 items
const ORDERED = false;
const FIRST_STRIDE = 1u;  // words from one entry of first to the next: 4 for the events' own table
const ACCUMULATE = false;

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> first: array<u32>;
@group(0) @binding(2) var<storage, read> order: array<u32>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn segment_sum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size[SEGMENTS] * N4) { return; }
  let s = i / N4;
  let column = i % N4;
  let start = first[s * FIRST_STRIDE];
  // An event's table entry holds its end beside its start; otherwise the next segment's start is the end.
  let end = first[select(s + 1u, s * FIRST_STRIDE + 1u, FIRST_STRIDE > 1u)];
  var sum = vec4f(0.0);
  for (var k = start; k < end; k++) {
    var r = k;
    if (ORDERED) { r = order[k]; }
    sum += source[r * N4 + column];
  }
  if (ACCUMULATE) { sum += output[i]; }
  output[i] = sum;
}

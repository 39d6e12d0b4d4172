// position_gradient.wgsl - partial sums of the rows' gradient, per position on the page
//   source [R]    d loss / d (sum that contains the effect)      event [E]   (first row, end row, -, -)
//   partials[chunk, k] = sum of source at position SKIP + k over the events of a chunk; the last k includes
//     all later positions
//
// The first SKIP positions of a page have no effect. One effect and SKIP = 0 give a bias's gradient.
//
// For          both kinds of adapter
// Grid         chunks x positions (padded) invocations in workgroups of 8 (64 on a GPU); a chunk's positions
//              are neighbours.
// Work split   one invocation owns one position of one chunk of events. Padding of the parameter gets 0.
// On a GPU     (reasoned) neighbours read neighbouring positions of the same page: coalesced. With 20
//              positions and 128 chunks few invocations read all events, so they wait for memory; a layer
//              takes much longer.
//   compiled: navi31 12 VGPRs, 32 subgroups per SIMD (of 8 invocations: 24, 16); mi200 12, 10 (8, 10)
// Cost         1 flop and 4 bytes per row; 8 bytes per event and position.
// Forward      choice_nll.wgsl, item_term_forward.wgsl      Next   adam.wgsl

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const PLACES = 1u;    // number of effects
const SKIP = 0u;      // number of positions before the first effect
const PADDED = 4u;    // number of effects with the parameter's padding
const PARTIALS = 0u;  // floats per chunk of partials
const WEIGHTS_AT = 0u;
const ACCUMULATE = false;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> source: array<f32>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn position_gradient(@builtin(global_invocation_id) id: vec3u) {
  let place = id.x % PADDED;
  let chunk = id.x / PADDED;
  if (chunk >= step.chunks) { return; }
  var sum = 0.0;
  if (place < PLACES) {
    let stretch = (step.size.y + step.chunks - 1u) / step.chunks;
    let first = min(chunk * stretch, step.size.y);
    let end = min(first + stretch, step.size.y);
    for (var e = first; e < end; e++) {
      let of_event = event[e];
      let start = of_event.x + SKIP + place;
      let stop = select(start + 1u, of_event.y, place + 1u == PLACES);
      for (var r = start; r < min(stop, of_event.y); r++) { sum += source[r]; }
    }
  }
  let at = chunk * PARTIALS + WEIGHTS_AT + place;
  if (ACCUMULATE) { partials[at] += sum; } else { partials[at] = sum; }
}

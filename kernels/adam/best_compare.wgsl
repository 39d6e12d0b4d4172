// best_compare.wgsl - adds up a validation and notes whether it is the best so far, without asking the host
//
//   ring [., VECTORS]  the sums of the validation's shards are in slots FIRST .. FIRST + SHARDS; their total goes to
//              step.slot. The first three numbers of vector VECTOR are compared: the least of the first is best, the most of
//              the other two
//   best [12]  best loss, prec@1, prec@2 (sums over the validation users, as f32 bits), -,
//              the iterations they were reached at, -, 1 for each in which this validation is better, -
//
// When the host learns a validation's result, many more steps have been sent, and the parameters are overwritten. So the
// device compares, and keep_best.wgsl copies. A loss that is NaN or infinite is never the best.
//
// For          both kinds of adapter      Grid   one workgroup of 1.
// Work split   one invocation.
// On a GPU     (reasoned) a serial kernel of a few loads wastes the GPU for microseconds. To wait for the host would empty its
//              queue. A workgroup of one invocation, as the walk has no parts.
//   compiled: navi31 24 VGPRs, 16 subgroups per SIMD; lanes 1, because the walk has no parts
// Cost         16 bytes a shard and vector, 16 per vector, and 48.      Next   keep_best.wgsl

const WORKGROUP = 1;
const FIRST = 0u;
const SHARDS = 1u;
const VECTORS = 1u;
const VECTOR = 0u;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
}

@group(0) @binding(0) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> best: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn best_compare() {
  for (var v = 0u; v < VECTORS; v++) {
    var sum = vec4f(0.0);
    for (var k = 0u; k < SHARDS; k++) { sum += ring[(FIRST + k) * VECTORS + v]; }
    ring[step.slot * VECTORS + v] = sum;
  }
  let total = ring[step.slot * VECTORS + VECTOR];
  // By the exponent bits: comparisons with NaN cannot be relied on in WGSL.
  let finite = (bitcast<u32>(total.x) & 0x7f800000u) != 0x7f800000u;
  for (var k = 0u; k < 3u; k++) {
    let value = total[k];
    let known = bitcast<f32>(best[k]);
    var better = value > known;
    if (k == 0u) { better = value < known; }
    better = better && finite;
    if (better) {
      best[k] = bitcast<u32>(value);
      best[4u + k] = step.iteration;
    }
    best[8u + k] = select(0u, 1u, better);
  }
}

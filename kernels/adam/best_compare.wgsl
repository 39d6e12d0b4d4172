// best_compare.wgsl - adds up a validation and records whether it is the best so far, without the host
//   ring [., VECTORS]   slots FIRST .. FIRST + SHARDS have the sums of the validation's shards; their total
//                       goes to step.slot. Vector VECTOR has the metrics: lower is better for the first
//                       (loss), higher for the other two
//   best [12]           best loss, prec@1, prec@2 (sums over the validation users, as f32 bits), -,
//                       the iterations of these best values, -, 1 for each metric that is now better, -
//
// Many more steps have been submitted before the host reads a validation's result, and they overwrite the
// parameters. So the device compares, and keep_best.wgsl copies. A NaN or infinite loss is never the best.
//
// For          both kinds of adapter      Grid   one workgroup of 1.
// Work split   one invocation.
// On a GPU     (reasoned) a serial kernel with a few loads leaves the GPU idle for microseconds; if the
//              device waited for the host, its queue would run empty. The loop cannot be split, so the
//              workgroup has one invocation.
//   compiled: navi31 24 VGPRs, 16 subgroups per SIMD; lanes 1, because the loop cannot be split
// Cost         16 bytes per shard and vector, 16 per vector, and 48.      Next   keep_best.wgsl

const WORKGROUP = 1;
const FIRST = 0u;
const SHARDS = 1u;
const VECTORS = 1u;
const VECTOR = 0u;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  unread: u32,            // a field that this kernel does not read
  slot: u32,              // slot of the ring buffer that receives the batch's results
  @size(8) unread2: u32,  // fields that this kernel does not read
  iteration: u32,         // number of iterations before this step
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
  // Finite by its exponent bits: WGSL does not guarantee comparisons with NaN.
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

// outcome_sum_subgroups.wgsl - outcome_sum.wgsl whose last sum is a subgroup's
//
//   What it computes and writes: see outcome_sum.wgsl.
//
// For          a GPU with subgroups
// Used where   calibration finds it faster. Otherwise   outcome_sum.wgsl
// Grid         256 VECTORS invocations in workgroups of 256.
// Work split   a workgroup owns one vector; invocation i adds up events i, i + WORKGROUP, ... Then each subgroup adds up the
//              workgroup's sums: a lane some of them, in order, and subgroupAdd those of the lanes. All find the same, and the
//              first invocation writes it. So nothing depends on which invocations make a subgroup, which WGSL leaves open.
// On a GPU     (reasoned) outcome_sum.wgsl adds up 256 sums one after the other; here a lane adds up 8, or 4 where there are 64
//              lanes, and the lanes' meet in registers, without a barrier. The order of that sum is the GPU's own: the same
//              bits every time there, perhaps others elsewhere. So a recorded run goes on with what it began with.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD; mi200 24, 10
// Cost         16 bytes per event.

enable subgroups;

const WORKGROUP = 256;
const M = 1u;        // step.size[M] is the number of events
const VECTORS = 1u;  // vectors of four sums that an event has

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
}

@group(0) @binding(0) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> sums: array<vec4f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn outcome_sum_subgroups(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(subgroup_size) lanes: u32,
) {
  if (group.x >= VECTORS) { return; }
  var sum = vec4f(0.0);
  for (var e = local; e < step.size[M]; e += WORKGROUP) { sum += outcome[e * VECTORS + group.x]; }
  sums[local] = sum;
  workgroupBarrier();
  var own = vec4f(0.0);
  for (var k = lane; k < WORKGROUP; k += lanes) { own += sums[k]; }
  let total = subgroupAdd(own);
  if (local == 0u) { ring[step.slot * VECTORS + group.x] = total; }
}

// outcome_sum_subgroups.wgsl - outcome_sum.wgsl with a subgroup operation for the last sum
//   What it computes and writes: see outcome_sum.wgsl.
// For          a GPU with subgroups
// Used where   autotuning measures that this kernel is faster. Otherwise   outcome_sum.wgsl
// Grid         256 VECTORS invocations in workgroups of 256.
// Work split   a workgroup owns one vector; invocation i adds up events i, i + WORKGROUP, ... Then each
//              subgroup adds up all of the workgroup's sums: each lane some of them, in order, and
//              subgroupAdd the lanes' results. All subgroups get the same total, and the first invocation
//              writes it. So the result does not depend on which invocations form a subgroup, which WGSL does
//              not define.
// On a GPU     (reasoned) outcome_sum.wgsl adds up 256 sums one after another; here a lane adds up 8 (4 with
//              64 lanes), and the lanes' results meet in registers, without a barrier. The GPU defines the
//              order of subgroupAdd: one GPU always gives the same bits, another GPU may give others. So a
//              resumed run keeps the kernel that it started with.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD; mi200 24, 10
// Cost         16 bytes per event.

enable subgroups;

const WORKGROUP = 256;
const M = 1u;        // step.size[M] is the number of events
const VECTORS = 1u;  // number of vectors (four sums each) per event

struct Step {
  size: vec4u,  // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  unread: u32,  // a field that this kernel does not read
  slot: u32,    // slot of the ring buffer that receives the batch's results
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

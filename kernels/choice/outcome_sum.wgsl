// outcome_sum.wgsl - adds up losses, precision and clicks of a batch, into a slot of the results' ring buffer
//   outcome [E, VECTORS]   from choice_nll.wgsl, minimax.wgsl, exact_minimax.wgsl
//   ring [., VECTORS]      sums over the batch; the host divides them by the number of pages
//
// The host reads the ring many steps later, so that no step waits for the host.
//
// For          both kinds of adapter
// Grid         64 VECTORS invocations in workgroups of 64 (256 VECTORS, of 256, on a GPU).
// Work split   a workgroup owns one vector; invocation i adds up events i, i + WORKGROUP, ... Then one
//              invocation adds up these sums in order: the same bits in every run.
// On a GPU     (reasoned) neighbours read neighbouring events: coalesced. One workgroup and 256 serial
//              additions use little of the GPU, but a batch has only a few thousand events; a tree over more
//              workgroups would need a second dispatch.
//   compiled: navi31 12 VGPRs, 32 subgroups per SIMD (of 64 invocations: 12, 32); mi200 12, 10 (12, 10)
// Cost         16 bytes per event.

const WORKGROUP = 64;
const GPU_WORKGROUP = 256;
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
fn outcome_sum(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  if (group.x >= VECTORS) { return; }
  var sum = vec4f(0.0);
  for (var e = local.x; e < step.size[M]; e += WORKGROUP) { sum += outcome[e * VECTORS + group.x]; }
  sums[local.x] = sum;
  workgroupBarrier();
  if (local.x == 0u) {
    var total = vec4f(0.0);
    for (var k = 0u; k < WORKGROUP; k++) { total += sums[k]; }
    ring[step.slot * VECTORS + group.x] = total;
  }
}

// outcome_sum.wgsl - the batch's sums of losses, precision and clicks, into a slot of the result ring
//
//   outcome [E, VECTORS]   from choice_nll, minimax, exact_minimax      ring [., VECTORS]   sums; the host divides
//
// The ring is read many steps later, so that no step waits for the host.
//
// Work split   a workgroup for each vector; invocation i owns events i, i + WORKGROUP, ...; then one adds the sums in
//              order.
// Cost         16 bytes an event.

const WORKGROUP = 64;
const VECTORS = 1u;  // vectors of four sums that an event has

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> sums: array<vec4f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn outcome_sum(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  var sum = vec4f(0.0);
  for (var e = local.x; e < step.size.y; e += WORKGROUP) { sum += outcome[e * VECTORS + group.x]; }
  sums[local.x] = sum;
  workgroupBarrier();
  if (local.x == 0u) {
    var total = vec4f(0.0);
    for (var k = 0u; k < WORKGROUP; k++) { total += sums[k]; }
    ring[step.slot * VECTORS + group.x] = total;
  }
}

// outcome_sum.wgsl - the batch's sums of loss, prec@1, prec@2 and clicks, into a slot of the result ring
//
//   outcome [E]   from choice_nll          ring [.]   sums; the host divides
//
// The ring is read many steps later, so that no step waits for the host.
//
// Work split   one workgroup; invocation i owns events i, i + WORKGROUP, ...; then one adds the sums in order.
// Cost         16 bytes an event.

const WORKGROUP = 64;

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
fn outcome_sum(@builtin(local_invocation_id) local: vec3u) {
  var sum = vec4f(0.0);
  for (var e = local.x; e < step.size.y; e += WORKGROUP) { sum += outcome[e]; }
  sums[local.x] = sum;
  workgroupBarrier();
  if (local.x == 0u) {
    var total = vec4f(0.0);
    for (var k = 0u; k < WORKGROUP; k++) { total += sums[k]; }
    ring[step.slot] = total;
  }
}

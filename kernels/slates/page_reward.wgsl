// page_reward.wgsl - adds up what a page of all simulated users brought
//
//   outcome [T, U] (slot or K, reward, P(any click), 1; zeros for a user who has left)
//   ring [.]   (-, -, sum of the rewards, users who were there) at step.slot
//
// For          both kinds of adapter      Grid   one workgroup of 64.
// Work split   one workgroup; the first invocation adds up the sums of its neighbours, in order.
// On a GPU     (reasoned) one workgroup wastes the GPU for microseconds; U is some thousands. Neighbours read neighbouring
//              users: coalesced. 64 invocations are two subgroups, whose sums are added in workgroup memory; 256 would shorten
//              each one's walk and lengthen the sum.
// Cost         16 bytes per user.

const WORKGROUP = 64;
const USERS = 1u;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // the seed of what is random in the step
  counted: u32,        // what means are taken over
  page: u32,           // of the episode
}

@group(0) @binding(0) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> sums: array<vec2f, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn page_reward(@builtin(local_invocation_index) i: u32) {
  var sum = vec2f(0.0);
  for (var u = i; u < USERS; u += WORKGROUP) { sum += outcome[step.page * USERS + u].yw; }
  sums[i] = sum;
  workgroupBarrier();
  if (i > 0u) { return; }
  for (var k = 1u; k < WORKGROUP; k++) { sum += sums[k]; }
  ring[step.slot] = vec4f(0.0, 0.0, sum);
}

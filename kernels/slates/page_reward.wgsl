// page_reward.wgsl - adds up the rewards of a page over all simulated users
//   outcome [T, U] (slot or K, reward, P(any click), 1; zeros for a user who has left)
//   ring [.]   (-, -, sum of the rewards, users who saw the page) at step.slot
// For          both kinds of adapter      Grid   one workgroup of 64.
// Work split   one workgroup; its first invocation adds up the sums of all its invocations, in order.
// On a GPU     (reasoned) one workgroup leaves the GPU idle for microseconds; U is some thousands. Neighbours
//              read neighbouring users: coalesced. 64 invocations are two subgroups, whose sums are added in
//              workgroup memory; with 256 each loop would be shorter and the final sum longer.
// Cost         16 bytes per user.

const WORKGROUP = 64;
const USERS = 1u;

struct Step {
  size: vec4u,             // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  unread: u32,             // a field that this kernel does not read
  slot: u32,               // slot of the ring buffer that receives the batch's results
  @size(24) unread2: u32,  // fields that this kernel does not read
  page: u32,               // index of the page in the episode
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

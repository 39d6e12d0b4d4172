// replay_starts.wgsl - where the pages of each user begin among all stored pages of an episode
//
//   lengths [SLOTS, U]      starts [SLOTS, U + 1]: the sum of the lengths of the users before; the last is that of all
//
// Users who left early have fewer pages. A page that is drawn by its number among all pages is drawn evenly whatever the
// lengths, without a draw in vain. Only the episode that is under way changes: slot = episode mod SLOTS.
//
// For          both kinds of adapter      Grid   one workgroup of 64.
// Work split   one workgroup; an invocation owns U / WORKGROUP users that are consecutive.
// On a GPU     (reasoned) one workgroup wastes the GPU for microseconds; U is some thousands. An invocation's users are
//              contiguous, so neighbours' loads are not coalesced, but lines are used up. 64 invocations are two subgroups,
//              whose sums are added in workgroup memory; 256 would shorten each one's walk and lengthen the sum.
// Cost         12 bytes per user.      Before   replay_push.wgsl      Next   replay_draw.wgsl

const WORKGROUP = 64;
const SLOTS = 1u;

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
  episode: u32,
}

@group(0) @binding(0) var<storage, read> lengths: array<u32>;
@group(0) @binding(1) var<storage, read_write> starts: array<u32>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> sums: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn replay_starts(@builtin(local_invocation_index) i: u32) {
  let users = step.size.x;
  let slot = step.episode % SLOTS;
  let own = (users + WORKGROUP - 1u) / WORKGROUP;
  let first = min(i * own, users);
  let end = min(first + own, users);
  var sum = 0u;
  for (var u = first; u < end; u++) { sum += lengths[slot * users + u]; }
  sums[i] = sum;
  workgroupBarrier();
  var before = 0u;
  for (var k = 0u; k < i; k++) { before += sums[k]; }
  for (var u = first; u < end; u++) {
    starts[slot * (users + 1u) + u] = before;
    before += lengths[slot * users + u];
  }
  if (i == WORKGROUP - 1u) { starts[slot * (users + 1u) + users] = before; }
}

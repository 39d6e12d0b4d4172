// replay_starts.wgsl - the index of each user's first page among all stored pages of an episode
//   lengths [SLOTS, U]  starts [SLOTS, U + 1]: sum of the lengths of all earlier users; the last is the total
//
// Users who left early have fewer pages. Drawing a page by its index among all pages is uniform for any
// lengths, and no draw is rejected. Only the current episode changes: slot = episode mod SLOTS.
//
// For          both kinds of adapter      Grid   one workgroup of 64.
// Work split   one workgroup; an invocation owns U / WORKGROUP consecutive users.
// On a GPU     (reasoned) one workgroup leaves the GPU idle for microseconds; U is some thousands. An
//              invocation's users are contiguous, so neighbours' loads are not coalesced, but each cache line
//              is used completely. 64 invocations are two subgroups, whose sums are added in workgroup
//              memory; with 256 each loop would be shorter and the final sum longer.
// Cost         12 bytes per user.      Before   replay_push.wgsl      Next   replay_draw.wgsl

const WORKGROUP = 64;
const SLOTS = 1u;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(36) unread: u32,  // fields that this kernel does not read
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

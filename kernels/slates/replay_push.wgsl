// replay_push.wgsl - stores a page of all simulated users in the replay buffer, a ring buffer of episodes
//   state [U, S4 vectors]     slates [U, K]      outcome [T, U] (slot of the clicked item or K, reward, -, -)
//   alive [U]                  after the page; 0 for users who have left
//   states [SLOTS, T + 1, U, S4]      shown [SLOTS, T, U, K]
//   happened [SLOTS, T, U]     (slot, with LEFT if the user left after the page; the reward's bits)
//   lengths [SLOTS, U]         pages of the episode that the user has seen so far
//
//   slot = episode mod SLOTS: an episode overwrites the oldest episode
//   AFTER   the page was shown, and state is the state after it: writes states[page + 1] and all else
//   else    state is the state in which users start: writes only states[0]
//
// All users see a page at the same time, so an episode is a block of T + 1 states, and the state after a page
// is the next entry: half of the memory of pairs of states. The episode also contains the clicks before a
// page, from which replay_sample_masks.wgsl computes the masks.
//
// For          both kinds of adapter      Grid   U S4 invocations in workgroups of 64.
// Work split   one invocation owns four numbers of a user's state; a user's first invocation also writes the
//              rest.
// On a GPU     (reasoned) neighbours own neighbouring vectors: coalesced, bound by memory. Registers limit
//              occupancy.
// Cost         32 S4 + 8 K + 44 bytes per user.      Next   replay_starts.wgsl

const WORKGROUP = 64;
const S4 = 1u;
const K = 1u;
const T = 1u;
const SLOTS = 1u;
const AFTER = true;
const LEFT = 0x80000000u;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(32) unread: u32,  // fields that this kernel does not read
  page: u32,              // index of the page in the episode
  episode: u32,
}

@group(0) @binding(0) var<storage, read> state: array<vec4f>;
@group(0) @binding(1) var<storage, read> slates: array<u32>;
@group(0) @binding(2) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(3) var<storage, read> alive: array<u32>;
@group(0) @binding(4) var<storage, read_write> states: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> shown: array<u32>;
@group(0) @binding(6) var<storage, read_write> happened: array<vec2u>;
@group(0) @binding(7) var<storage, read_write> lengths: array<u32>;
@group(0) @binding(8) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn remember(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let users = step.size.x;
  if (i >= users * S4) { return; }
  let slot = step.episode % SLOTS;
  let page = step.page + select(0u, 1u, AFTER);
  states[(slot * (T + 1u) + page) * users * S4 + i] = state[i];
  if (!AFTER || i % S4 != 0u) { return; }
  let u = i / S4;
  let of_page = outcome[step.page * users + u];
  let at = (slot * T + step.page) * users + u;
  for (var j = 0u; j < K; j++) { shown[at * K + j] = slates[u * K + j]; }
  happened[at] = vec2u(u32(of_page.x) | select(LEFT, 0u, alive[u] > 0u), bitcast<u32>(of_page.y));
  let of_user = slot * users + u;
  // The first page starts a new episode in the slot of an old one. A user who left has no more pages.
  var here = step.page == 0u;
  if (!here) { here = lengths[of_user] == step.page && (happened[at - users].x & LEFT) == 0u; }
  if (here) { lengths[of_user] = step.page + 1u; }
}

// pass_over.wgsl - counts per user how often each item was shown and not clicked, and the pages with a click
//   event [U] (.x first row, .z the clicked row, or NONE)      slate [U, k] items
//   passed [words, U]  counts of four bits, 15 at most: item i has count i % 8 of word[(i / 8) U + u].
//   A user's last word counts pages in its lower half, and pages with a click in its upper half
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user, and so all words that it changes: a slate is short. No barrier,
//              no atomics.
// On a GPU     (reasoned) neighbours read slates k numbers apart, and write to words of neighbouring users,
//              but of different items: the writes are scattered.
// Cost         12 bytes per item of a slate.      Next   row_counts.wgsl, on the next page

const WORKGROUP = 64;
const SLATE = 1u;  // k
const USERS = 1u;  // users: stride of a user's words
const LAST = 1u;   // index of a user's last word
const MOST = 15u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> slate: array<u32>;
@group(0) @binding(2) var<storage, read_write> passed: array<u32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn pass_over(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let u = id.x + id.y * (grid.x * WORKGROUP);
  if (u >= step.size.x) { return; }
  let of_event = event[u];
  passed[LAST * USERS + u] += select(0x10001u, 1u, of_event.z == NONE);
  for (var j = 0u; j < SLATE; j++) {
    if (of_event.x + j == of_event.z) { continue; }
    let item = slate[u * SLATE + j];
    let word = (item / 8u) * USERS + u;
    let shift = 4u * (item % 8u);
    if (((passed[word] >> shift) & MOST) < MOST) { passed[word] += 1u << shift; }
  }
}

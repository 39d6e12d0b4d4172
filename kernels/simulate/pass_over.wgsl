// pass_over.wgsl - counts for every user how often each item was shown and not clicked, and the pages with a click
//
//   event [U] (.x first row, .z the clicked row, or NONE)      slate [U, k] items
//   passed [words, U]  numbers of four bits, 15 at most: number i % 8 of word[(i / 8) U + u] is item i's.
//   The last word of a user has the number of pages in its lower half, and of pages with a click in its upper half
//
// For          both kinds of adapter      Grid   U invocations in workgroups of 64.
// Work split   one invocation owns one user, and with it all words that it changes: a slate is short. No barrier, no atomics.
// On a GPU     (reasoned) neighbours read slates k numbers apart, and write to words of U neighbours: items differ, so the
//              writes are scattered.
// Cost         12 bytes per item of a slate.      Next   row_counts.wgsl, on the next page

const WORKGROUP = 64;
const SLATE = 1u;  // k
const USERS = 1u;  // from a word to the next word of a user
const LAST = 1u;   // the last word of a user
const MOST = 15u;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of a page: U users, U events, U k rows, I items
}

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

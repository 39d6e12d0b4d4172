// take_rows.wgsl - copies the rows of a chunk of consecutive users from the rows of all users
//   input [U, N]   output [C, N] the rows of the C users from step.first_entry on
// For          both kinds of adapter      Grid   N / 4 invocations per row of the chunk, in workgroups of 64.
// Work split   one invocation owns four columns of one row.
// On a GPU     (reasoned) a copy, coalesced. Workgroups of 64 fill subgroups; a copy needs nothing else.
// Cost         32 bytes per four columns.

const WORKGROUP = 64;
const N4 = 16u;  // columns / 4

struct Step {
  size: vec4u,         // sizes of the batch; for a page: U users, U events, U k rows, I items
  first_entry: u32,    // index of the chunk's first user
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn take_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * N4) { return; }
  output[i] = input[step.first_entry * N4 + i];
}

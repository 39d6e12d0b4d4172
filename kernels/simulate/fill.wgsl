// fill.wgsl - writes one value to all words of a buffer
//   words [U, COUNT]      U = step.size.x users
// For          both kinds of adapter      Grid   U COUNT invocations in workgroups of 64.
// Work split   one invocation owns one of the U COUNT words.
// On a GPU     (reasoned) a clear, coalesced.
// Cost         4 bytes per word.

const WORKGROUP = 64;
const COUNT = 1u;  // words per user
const VALUE = 0u;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn fill(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.x * COUNT) { return; }
  words[i] = VALUE;
}

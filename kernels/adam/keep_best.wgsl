// keep_best.wgsl - copies a window of the parameters into each snapshot that has a new best
//   weights, by_loss, by_prec1, by_prec2 [window]     best [12]: numbers 8 .. 10 are 1 for a new best, else 0
// For          both kinds of adapter
// Grid         W / 4 invocations in workgroups of 64 (at most 65,536), W: the window.
// Work split   one invocation owns four parameters; in a large model, every 65,536th vector of four.
// On a GPU     (reasoned) all invocations read the same flags, so the branch is uniform; copies are
//              coalesced. The host does not know the result of best_compare.wgsl, so it cannot skip the
//              dispatch. Registers limit occupancy.
// Cost         only the dispatch if there is no new best. This is why the grid is limited: starting one
//              invocation per four parameters would cost as much as the copy.      Before   best_compare.wgsl

const WORKGROUP = 64;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> weights: array<vec4f>;
@group(0) @binding(1) var<storage, read> best: array<u32>;
@group(0) @binding(2) var<storage, read_write> by_loss: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> by_prec1: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> by_prec2: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn keep_best(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  if (best[8] + best[9] + best[10] == 0u) { return; }
  let all = grid.x * grid.y * WORKGROUP;
  for (var i = id.x + id.y * (grid.x * WORKGROUP); i < arrayLength(&weights); i += all) {
    if (best[8] == 1u) { by_loss[i] = weights[i]; }
    if (best[9] == 1u) { by_prec1[i] = weights[i]; }
    if (best[10] == 1u) { by_prec2[i] = weights[i]; }
  }
}

// keep_best.wgsl - copies a window of the parameters into the snapshots that best_compare.wgsl found beaten
//
//   weights [P]   best [12], of which 8 .. 10 say what was beaten   by_loss, by_prec1, by_prec2 [P]
//
// For          both kinds of adapter      Grid   P / 4 invocations in workgroups of 64 (at most 65,536).
// Work split   one invocation owns four parameters. In a large model it owns every 65,536th vector of four, as the grid is
//              limited to so many invocations.
// On a GPU     (reasoned) all invocations read the same flags, so the branch is uniform; copies are coalesced. The host cannot
//              skip the dispatch, as it does not know the result. Workgroups of 64; registers limit occupancy.
// Cost         the dispatch alone, when nothing is better. That is why the grid is limited: an invocation for each four would
//              cost as much as the copy.      Before   best_compare.wgsl

const WORKGROUP = 64;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

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

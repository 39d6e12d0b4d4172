// row_dot_forward.wgsl - one number per row: the last layer of the utility network
//   input [R, K]   weights [K]   bias [1]   output [R]        output_r = bias + sum_k input_rk weights_k
//   base  [R]      with BASE: other parts of the utility, added to output
// For          both kinds of adapter
// Used where   the previous layer does not compute these products: after batch normalisation, or on a GPU
//              with more than 64 columns. Otherwise   row_dot_sum.wgsl, choice_nll.wgsl
// Grid         R invocations in workgroups of 64.
// Work split   one invocation owns one row.
// On a GPU     (reasoned) no barrier and one dispatch. But neighbours read rows that are K floats apart: each
//              load touches a cache line per invocation. The next loads read the rest of these lines,
//              probably from cache. A subgroup per row would coalesce, but need a reduction.
// Cost         2 K flops, 4 K bytes per row.
// Backward     row_dot_backward.wgsl, row_dot_backward_group.wgsl

const WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const K4 = 16u;  // columns / 4
const BASE = false;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> base: array<f32>;
@group(0) @binding(4) var<storage, read_write> output: array<f32>;
@group(0) @binding(5) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

@compute @workgroup_size(WORKGROUP)
fn row_dot_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let r = id.x + id.y * (grid.x * WORKGROUP);
  if (r >= step.size[M]) { return; }
  var sum = vec4f(0.0);
  for (var k = 0u; k < K4; k++) {
    sum += load_input(r * K4 + k) * weights[k];
  }
  let own = bias[0] + ((sum.x + sum.y) + (sum.z + sum.w));
  if (BASE) { output[r] = base[r] + own; } else { output[r] = own; }
}

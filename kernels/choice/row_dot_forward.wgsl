// row_dot_forward.wgsl - one number per row: the last layer of the utility network
//   input [R, K]   weights [K]   bias [1]   output [R]        output_r = bias + sum_k input_rk weights_k
//   base  [R]      with BASE: other parts of the utility, added to output
//   dots  [R, PANELS]  with PANELS: base_r = base_0 + sum_p dots_rp, from the kernel of the previous layer.
//                  A row of dots is padded to whole vectors. Without input (K4 = 0) base is the output.
// For          both kinds of adapter
// Used where   choice_nll.wgsl does not add up the dots itself: for models with counts, for the minimax game
//              and for scores. Products of an input: for counts, after batch normalisation, or on a GPU with
//              more than 64 columns
// Grid         R invocations in workgroups of 64.
// Work split   one invocation owns one row.
// Why dots     the previous layer's kernel has its row in registers; to multiply here, [R, 64] is read again.
//              A model with counts adds the dots to the product of its counts: one launch for both.
// On a GPU     (reasoned) no barrier and one dispatch. But neighbours read rows that are K floats apart: each
//              load touches a cache line per invocation. The next loads read the rest of these lines,
//              probably from cache. A subgroup per row would coalesce, but need a reduction.
// Cost         2 K + PANELS flops, 4 (K + PANELS) bytes per row.
// Backward     row_dot_backward.wgsl, row_dot_backward_group.wgsl

const WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const K4 = 16u;  // columns / 4; 0 without input
const BASE = false;
const PANELS = 0u;  // numbers per row of dots; 0 if base is an array of rows
const DOTS4 = (PANELS + 3u) / 4u;

struct Step { size: vec4u }  // sizes of the batch

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> base: array<f32>;
@group(0) @binding(4) var<storage, read> dots: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

fn base_of(r: u32) -> f32 {
  if (PANELS == 0u) { return base[r]; }
  var sum = base[0];
  for (var q = 0u; q < DOTS4; q++) {
    let panels = vec4u(4u * q) + vec4u(0u, 1u, 2u, 3u);
    let known = select(vec4f(0.0), dots[r * DOTS4 + q], panels < vec4u(PANELS));
    sum += (known.x + known.y) + (known.z + known.w);
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn row_dot_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let r = id.x + id.y * (grid.x * WORKGROUP);
  if (r >= step.size[M]) { return; }
  if (K4 == 0u) {
    output[r] = base_of(r);
    return;
  }
  var sum = vec4f(0.0);
  for (var k = 0u; k < K4; k++) {
    sum += load_input(r * K4 + k) * weights[k];
  }
  let own = bias[0] + ((sum.x + sum.y) + (sum.z + sum.w));
  if (BASE) { output[r] = base_of(r) + own; } else { output[r] = own; }
}

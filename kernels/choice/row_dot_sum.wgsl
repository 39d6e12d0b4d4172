// row_dot_sum.wgsl - one number per row, from dot products that the previous layer has computed
//   dots [R, PANELS]   bias [1]   output [R]        output_r = bias + sum_p dots_rp
//   A row of dots is padded to whole vectors.
// For          both kinds of adapter
// Used where   matmul_forward_panel.wgsl computes the previous layer, or matmul_forward_tiled.wgsl with up to
//              64 columns (PANELS is 1). Otherwise   row_dot_forward.wgsl
// Grid         R invocations in workgroups of 64.
// Work split   one invocation owns one row.
// Why so       row_dot_forward.wgsl reads the previous layer's whole output again, [R, 64]; the layer's
//              kernel has it in registers. For the likelihood choice_nll.wgsl adds up the dots; this kernel
//              does so for the minimax game and for scores.
//   compiled: navi31 12 VGPRs, 32 subgroups per SIMD; loads 32, because with one panel a row is one number
// Cost         PANELS flops, 4 (PANELS + 1) bytes per row.
// Backward     row_dot_backward.wgsl, row_dot_backward_group.wgsl

const WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const PANELS = 4u;
const DOTS4 = (PANELS + 3u) / 4u;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> dots: array<vec4f>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read_write> output: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn row_dot_sum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let r = id.x + id.y * (grid.x * WORKGROUP);
  if (r >= step.size[M]) { return; }
  var sum = bias[0];
  for (var q = 0u; q < DOTS4; q++) {
    let d = dots[r * DOTS4 + q];
    let panels = vec4u(4u * q) + vec4u(0u, 1u, 2u, 3u);
    let known = select(vec4f(0.0), d, panels < vec4u(PANELS));
    sum += (known.x + known.y) + (known.z + known.w);
  }
  output[r] = sum;
}

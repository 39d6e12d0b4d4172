// batch_norm_running.wgsl - normalises by the running statistics: batch norm in evaluation
//   input, output [R, N]   scale g, shift b, mean mu, variance var: parameters [N]
//   output = g (input - mu) / sqrt(var + epsilon) + b
//
// Each row is normalised independently, so a page gets the same scores in any batch.
//
// For          both kinds of adapter      Grid   (R / 128) (N / 4) invocations in workgroups of 64.
// Work split   one invocation owns four columns of ROWS rows.
// On a GPU     (reasoned) neighbours own neighbouring columns: coalesced. Memory is the limit. Scale and
//              shift are read once per 16 rows. Workgroups of 64; registers limit occupancy.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD, 4 of 12 vector operations in its loop multiply-adds
// On llvmpipe  limited by loads and stores, which llvmpipe executes number by number
// Cost         3 flops, 8 bytes per element.
// Training     batch_norm_statistics.wgsl, batch_norm_forward.wgsl

const WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const ROWS = 16u;  // number of rows per invocation
const N4 = 16u;    // columns / 4
const EPSILON = 0.001;

struct Step { size: vec4u }  // sizes of the batch

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> scale: array<vec4f>;
@group(0) @binding(2) var<storage, read> shift: array<vec4f>;
@group(0) @binding(3) var<storage, read> mean: array<vec4f>;
@group(0) @binding(4) var<storage, read> variance: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn store_output(i: u32, value: vec4f) { output[i] = value; }

@compute @workgroup_size(WORKGROUP)
fn batch_norm_running(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let column = i % N4;
  let rows = step.size[M];
  let first = (i / N4) * ROWS;
  if (first >= rows) { return; }
  let end = min(first + ROWS, rows);
  let mu = mean[column];
  let factor = scale[column] * (1.0 / sqrt(variance[column] + EPSILON));
  let b = shift[column];
  for (var r = first; r < end; r++) {
    store_output(r * N4 + column, (load_input(r * N4 + column) - mu) * factor + b);
  }
}

// batch_norm_input_gradient.wgsl - gradient of batch norm's input, also through the batch's mean and variance
//   input [R, N]   normaliser [2, N] mu and 1 / sd   output_gradient dy [R, N]   scale g [N]
//   chunk_sums [chunks, 2, N] of dy, and of dy xhat
//   xhat = (input - mu) / sd
//   input_gradient = g / sd (dy - mean of dy - xhat mean of (dy xhat))      means over the rows of the batch
//   (times ELU'(input) with ELU: input = ELU(z), ELU' = 1 for input > 0, else input + 1)
// For          both kinds of adapter      Grid   (R / 128) (N / 4) invocations in workgroups of 64.
// Work split   one invocation owns four columns of ROWS rows. It adds up the sums of the 16 or fewer chunks
//              of rows itself.
// On a GPU     (reasoned) as in batch_norm_forward.wgsl: coalesced, no dispatch to combine chunks, and 128
//              rows per invocation suit llvmpipe. Workgroups of 64; registers limit occupancy.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD, 8 of 36 vector operations in its loop multiply-adds
// On llvmpipe  limited by loads and stores, which llvmpipe executes number by number
// Cost         7 flops, 12 bytes per element, and 2 flops per chunk for 4 columns of an invocation's rows.
// Forward      batch_norm_forward.wgsl      Before   batch_norm_weight_gradient.wgsl

const WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const ROWS = 128u;  // number of rows per invocation
const N4 = 16u;     // columns / 4
const ELU = true;
const RELU = false;  // ReLU replaces ELU (requires ELU = true); slope 0 where the output is 0
const ACCUMULATE = false;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> normaliser: array<vec4f>;
@group(0) @binding(2) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read> chunk_sums: array<vec4f>;
@group(0) @binding(4) var<storage, read> scale: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn load_output_gradient(i: u32) -> vec4f { return output_gradient[i]; }

@compute @workgroup_size(WORKGROUP)
fn batch_norm_input_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let column = i % N4;
  let rows = step.size[M];
  let first = (i / N4) * ROWS;
  if (first >= rows) { return; }
  let end = min(first + ROWS, rows);
  var sum = vec4f(0.0);
  var product = vec4f(0.0);
  for (var chunk = 0u; chunk < step.chunks; chunk++) {
    let at = 2u * chunk * N4 + column;
    sum += chunk_sums[at];
    product += chunk_sums[at + N4];
  }
  let mean = normaliser[column];
  let inverse = normaliser[column + N4];
  let factor = scale[column] * inverse;
  let mean_dy = sum / f32(rows);
  let slope = product / f32(rows) * inverse;
  for (var r = first; r < end; r++) {
    let at = r * N4 + column;
    let x = load_input(at);
    var dx = factor * (load_output_gradient(at) - mean_dy - (x - mean) * slope);
    if (RELU) { dx *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }
    if (ELU) { dx *= select(x + 1.0, vec4f(1.0), x > vec4f(0.0)); }
    if (ACCUMULATE) { input_gradient[at] += dx; } else { input_gradient[at] = dx; }
  }
}

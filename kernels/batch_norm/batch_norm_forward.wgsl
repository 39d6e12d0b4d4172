// batch_norm_forward.wgsl - normalises by the batch's statistics and updates the running statistics
//   input [R, N]   chunk_statistics [chunks, 2, N]   parameters [N]: scale g, shift b, running mean, variance
//   output [R, N]   output = g (input - mu) / sqrt(var + epsilon) + b       var: the biased variance, M / R
//   normaliser [2, N]   mu and 1 / sqrt(var + epsilon), for the backward kernels
//   running' = momentum running + (1 - momentum) (mu | var)
//
// Chunks (of rows) are combined in order by the formula of Chan, Golub and LeVeque (1979), for n and m rows:
//   mu = mu_1 + (mu_2 - mu_1) m / (n + m)      M = M_1 + M_2 + (mu_2 - mu_1)^2 n m / (n + m)
//
// The parameters are one window of the weights, with one binding for reading and writing: WebGPU forbids a
// second binding of the same buffer that only reads. Only the invocations that write the running statistics
// read them.
//
// For          both kinds of adapter      Grid   (R / 128) (N / 4) invocations in workgroups of 64.
// Work split   one invocation owns four columns of ROWS rows. It combines the 16 or fewer chunks itself,
//              which saves a dispatch. Those of the first rows write normaliser and running statistics.
// On a GPU     (reasoned) neighbours own neighbouring columns: coalesced. Combining the chunks in every
//              invocation is cheaper than a dispatch, and all invocations load the same numbers. 128 rows per
//              invocation suit llvmpipe: 25,600 x 64 values give 3,200 invocations. A GPU would need fewer
//              rows and more invocations. Workgroups of 64; registers limit occupancy.
//   compiled: navi31 36 VGPRs, 32 subgroups per SIMD, 8 of 28 vector operations in its loop multiply-adds
// On llvmpipe  with a half (a quarter) of the rows per invocation it takes 1.2 (1.4) times as long, because
//              each invocation combines all chunks
// Cost         3 flops and 8 bytes per element, and 9 flops per chunk for 4 columns of an invocation's rows.
// Backward     batch_norm_weight_gradient.wgsl, batch_norm_input_gradient.wgsl
// Evaluation   batch_norm_running.wgsl

const WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const ROWS = 128u;  // number of rows per invocation
const N4 = 16u;     // columns / 4
const EPSILON = 0.001;
const MOMENTUM = 0.99;
const SCALE_AT = 0u;     // offset of each parameter in the window, in f32
const SHIFT_AT = 0u;
const MEAN_AT = 0u;
const VARIANCE_AT = 0u;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> chunk_statistics: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> parameters: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> normaliser: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn store_output(i: u32, value: vec4f) { output[i] = value; }

@compute @workgroup_size(WORKGROUP)
fn batch_norm_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let column = i % N4;
  let rows = step.size[M];
  let first = (i / N4) * ROWS;
  if (first >= rows) { return; }
  let end = min(first + ROWS, rows);

  let stretch = (rows + step.chunks - 1u) / step.chunks;
  var mean = chunk_statistics[column];
  var squares = chunk_statistics[column + N4];
  for (var chunk = 1u; chunk < step.chunks; chunk++) {
    let before = min(chunk * stretch, rows);
    let after = min(before + stretch, rows);
    let share = f32(after - before) / f32(after);
    let at = 2u * chunk * N4 + column;
    let d = chunk_statistics[at] - mean;
    mean += d * share;
    squares += chunk_statistics[at + N4] + d * d * (f32(before) * share);
  }
  let variance = squares / f32(rows);
  let inverse = 1.0 / sqrt(variance + EPSILON);
  if (first == 0u) {
    normaliser[column] = mean;
    normaliser[column + N4] = inverse;
    let m = MEAN_AT / 4u + column;
    let v = VARIANCE_AT / 4u + column;
    parameters[m] = MOMENTUM * parameters[m] + (1.0 - MOMENTUM) * mean;
    parameters[v] = MOMENTUM * parameters[v] + (1.0 - MOMENTUM) * variance;
  }

  let scale = parameters[SCALE_AT / 4u + column] * inverse;
  let shift = parameters[SHIFT_AT / 4u + column];
  for (var r = first; r < end; r++) {
    // The mean is subtracted first. Folded into the shift it would cause rounding errors of the mean's size.
    store_output(r * N4 + column, (load_input(r * N4 + column) - mean) * scale + shift);
  }
}

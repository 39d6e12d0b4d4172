// matmul_weight_gradient_2_chunks.wgsl - gradient of a dense layer's weights, with the rows in chunks
//   input [M, K]   output_gradient [M, N]
//   partials [chunk, K, N] = sum over the chunk's rows of input_m^T output_gradient_m
// Grid         K N x chunks invocations in workgroups of 64.
// Idea         the long sum is split: an invocation owns one weight and one chunk of the rows (y). A later
//              kernel reads the gradient and adds up the chunks. Every sum has a fixed order, without
//              atomics.
// On a GPU     (reasoned) faster: 16 times as many invocations, each with a 16th of the additions.
// On llvmpipe  gains little: the cores were already busy; only a chunk's rows stay in a faster cache. Chunks
//              pay if there are few weights, and reduce the rounding error: 16 short sums instead of a long
//              one.

const WORKGROUP = 64;  // weights
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn matmul_weight_gradient_2_chunks(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  if (id.x >= K * N) { return; }
  let k = id.x / N;
  let n = id.x % N;
  let rows = step.size.z;
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(id.y * stretch, rows);
  let end = min(first + stretch, rows);
  var sum = 0.0;
  for (var m = first; m < end; m++) { sum += input[m * K + k] * output_gradient[m * N + n]; }
  partials[id.y * K * N + id.x] = sum;
}

// row_dot_backward.wgsl - both gradients of row_dot_forward.wgsl, in one pass over the rows
//   input [R, K]   weights [K]   output_gradient [R]
//   input_gradient_rk = output_gradient_r weights_k  (with ELU times ELU'(input_rk)); only with INPUT
//   partials[chunk]   = sums over a chunk of output_gradient_r input_rk, and of output_gradient_r (bias)
//   second_input [R, 4 SECOND4]   with SECOND4: the same sums for a second input, which has no gradient
//
// With ELU the input is ELU(z), and its derivative follows from the input: 1 for z > 0, else input + 1.
//
// For          a CPU adapter      On a GPU   row_dot_backward_group.wgsl
// Grid         chunks (K / 4 + SECOND4) invocations in workgroups of 8.
// Work split   one invocation owns four columns of one chunk of rows; the columns of a chunk are neighbours.
// Why so       both gradients need the input, and one pass reads the input once.
// Why two      the second input is the counts of a model with counts: one launch instead of two.
// Cost         5 K flops, 8 K bytes per row; for the second input 8 SECOND4 flops, 16 SECOND4 bytes.
// Forward      row_dot_forward.wgsl      Next   adam.wgsl

const WORKGROUP = 8;
const M = 2u;  // step.size[M] is the number of rows
const K4 = 16u;                // columns / 4
const SECOND4 = 0u;            // columns / 4 of the second input; 0 without it
const INPUT = true;
const ELU = true;
const RELU = false;  // ReLU replaces ELU (requires ELU = true); slope 0 where the output is 0
const ACCUMULATE = false;         // true: adds to the input gradient
const ACCUMULATE_WEIGHTS = false;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

// Offsets in partials, in floats.
struct Places {
  chunk: u32,    // floats per chunk
  weights: u32,  // offset of the weights' sums within a chunk
  second: u32,   // offset of the second weights' sums within a chunk
  bias: u32,     // offset of the bias's sum within a chunk
  second_bias: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;
@group(0) @binding(5) var<uniform> places: Places;
@group(0) @binding(6) var<storage, read> second_input: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

fn put(at: u32, value: f32) {
  if (ACCUMULATE_WEIGHTS) { partials[at] += value; } else { partials[at] = value; }
}

fn put_four(at: u32, value: vec4f) {
  put(at, value.x);
  put(at + 1u, value.y);
  put(at + 2u, value.z);
  put(at + 3u, value.w);
}

fn sum_second(k: u32, chunk: u32, first: u32, end: u32) {
  var weight_sum = vec4f(0.0);
  var bias_sum = 0.0;
  for (var r = first; r < end; r++) {
    let du = output_gradient[r];
    weight_sum += du * second_input[r * SECOND4 + k];
    bias_sum += du;
  }
  put_four(chunk * places.chunk + places.second + 4u * k, weight_sum);
  if (k == 0u) { put(chunk * places.chunk + places.second_bias, bias_sum); }
}

@compute @workgroup_size(WORKGROUP)
fn row_dot_backward(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x % (K4 + SECOND4);
  let chunk = id.x / (K4 + SECOND4);
  if (chunk >= step.chunks) { return; }
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  if (k >= K4) {
    sum_second(k - K4, chunk, first, end);
    return;
  }
  let w = weights[k];
  var weight_sum = vec4f(0.0);
  var bias_sum = 0.0;
  for (var r = first; r < end; r++) {
    let x = load_input(r * K4 + k);
    let du = output_gradient[r];
    weight_sum += du * x;
    bias_sum += du;
    if (!INPUT) { continue; }
    var dx = du * w;
    if (RELU) { dx *= select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }
    if (ELU) { dx *= select(x + 1.0, vec4f(1.0), x > vec4f(0.0)); }
    let at = r * K4 + k;
    if (ACCUMULATE) { input_gradient[at] += dx; } else { input_gradient[at] = dx; }
  }
  put_four(chunk * places.chunk + places.weights + 4u * k, weight_sum);
  if (k == 0u) { put(chunk * places.chunk + places.bias, bias_sum); }
}

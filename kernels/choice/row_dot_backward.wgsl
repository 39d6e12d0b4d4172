// row_dot_backward.wgsl - both gradients of row_dot_forward.wgsl, in one walk along the rows
//
//   input [R, K]   weights [K]   output_gradient [R]
//   input_gradient_rk = output_gradient_r weights_k  (times ELU'(input_rk) with ELU); without INPUT none is wanted
//   partials[chunk]   = sum over the rows of a chunk of output_gradient_r input_rk, and of output_gradient_r (bias)
//
// With ELU, input = ELU(z), and ELU'(z) = 1 for z > 0, else ELU(z) + 1: it follows from the input alone.
//
// For          a CPU adapter      On a GPU   row_dot_backward_group.wgsl
// Grid         chunks K / 4 invocations in workgroups of 8.
// Work split   one invocation owns four columns of one chunk of rows; the columns of a chunk are neighbours.
// Why so       both gradients need the input. In one walk it is read once.
// Cost         5 K flops, 8 K bytes per row.      Forward   row_dot_forward.wgsl, row_dot_sum.wgsl      Next   adam.wgsl

const WORKGROUP = 8;
const M = 2u;  // step.size[M] is the number of rows
const K4 = 16u;                // columns / 4
const INPUT = true;
const ELU = true;
const RELU = false;  // with ELU: ReLU takes its place, and its slope is 0 where the output is
const ACCUMULATE = false;         // input gradient
const ACCUMULATE_WEIGHTS = false;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
}

// In floats of the partial sums.
struct Places {
  chunk: u32,    // from one chunk's sums to the next
  weights: u32,  // where those of the weights stand among a chunk's
  second: u32,   // not used here
  bias: u32,     // where those of the bias stand
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<f32>;
@group(0) @binding(5) var<uniform> places: Places;
@group(0) @binding(6) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

fn put(at: u32, value: f32) {
  if (ACCUMULATE_WEIGHTS) { partials[at] += value; } else { partials[at] = value; }
}

@compute @workgroup_size(WORKGROUP)
fn row_dot_backward(@builtin(global_invocation_id) id: vec3u) {
  let k = id.x % K4;
  let chunk = id.x / K4;
  if (chunk >= step.chunks) { return; }
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
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
  let at = chunk * places.chunk + places.weights + 4u * k;
  put(at, weight_sum.x);
  put(at + 1u, weight_sum.y);
  put(at + 2u, weight_sum.z);
  put(at + 3u, weight_sum.w);
  if (k == 0u) { put(chunk * places.chunk + places.bias, bias_sum); }
}

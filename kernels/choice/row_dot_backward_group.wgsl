// row_dot_backward_group.wgsl - row_dot_backward.wgsl with a workgroup per chunk of rows and 64 columns
//   What it computes and writes: see row_dot_backward.wgsl.
// For          a GPU      On a CPU adapter   row_dot_backward.wgsl
// Used where   the input is no dense layer's output, another op reads it, too, or autotuning chooses other
//              kernels for the layer. Otherwise matmul_gradients_tiled.wgsl computes these gradients
// Grid         256 (K / 64 + SECOND4 / 16) chunks invocations in workgroups of 256.
// Work split   a workgroup owns 64 columns of one chunk, of either input: sixteen invocations per row, four
//              columns each, sixteen rows at a time. An invocation has the loads of four rows in flight. Each
//              column's sixteen sums are added up in workgroup memory, in order: the same bits in every run.
// On a GPU     (reasoned) a row's sixteen loads are coalesced. With one invocation per four columns of a
//              whole chunk each of 1,600 rows would wait for memory alone; here 64 wait together.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (row_dot_backward.wgsl: 48, 16); mi200 48, 5 (28, 9)
// Cost         5 K flops, 8 K bytes per row.
// Forward      row_dot_forward.wgsl      Next   adam.wgsl

const WORKGROUP = 256;
const M = 2u;  // step.size[M] is the number of rows
const K4 = 16u;                // columns / 4
const SECOND4 = 0u;            // columns / 4 of the second input; 0 without it
const INPUT = true;
const ELU = true;
const RELU = false;  // ReLU replaces ELU (requires ELU = true); slope 0 where the output is 0
const ACCUMULATE = false;         // true: adds to the input gradient
const ACCUMULATE_WEIGHTS = false;
const OWN_BLOCKS = (K4 + 15u) / 16u;
const BLOCKS = OWN_BLOCKS + (SECOND4 + 15u) / 16u;

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

var<workgroup> sums: array<vec4f, 256>;
var<workgroup> bias_sums: array<f32, 16>;

fn put(at: u32, value: f32) {
  if (ACCUMULATE_WEIGHTS) { partials[at] += value; } else { partials[at] = value; }
}

@compute @workgroup_size(WORKGROUP)
fn row_dot_backward_group(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  let chunk = group.x / BLOCKS;
  if (chunk >= step.chunks) { return; }
  let lane = local / 16u;
  let k = (group.x % BLOCKS) * 16u + local % 16u;
  let is_second = group.x % BLOCKS >= OWN_BLOCKS;
  let vectors = select(K4, SECOND4, is_second);
  let own = select(k, k - 16u * OWN_BLOCKS, is_second);  // vector of its input
  let column = min(own, vectors - 1u);
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  let w = weights[min(column, K4 - 1u)];
  var weight_sum = vec4f(0.0);
  var bias_sum = 0.0;
  for (var base = first + lane; base < end; base += 64u) {
    var x: array<vec4f, 4>;
    var du: array<f32, 4>;
    for (var i = 0u; i < 4u; i++) {
      let r = min(base + 16u * i, end - 1u);
      if (is_second) { x[i] = second_input[r * SECOND4 + column]; } else { x[i] = input[r * K4 + column]; }
      du[i] = select(0.0, output_gradient[r], base + 16u * i < end);
    }
    for (var i = 0u; i < 4u; i++) {
      weight_sum += du[i] * x[i];
      bias_sum += du[i];
      let r = base + 16u * i;
      if (!INPUT || is_second || r >= end || own >= K4) { continue; }
      var dx = du[i] * w;
      if (RELU) { dx *= select(vec4f(0.0), vec4f(1.0), x[i] > vec4f(0.0)); }
      if (ELU) { dx *= select(x[i] + 1.0, vec4f(1.0), x[i] > vec4f(0.0)); }
      let at = r * K4 + own;
      if (ACCUMULATE) { input_gradient[at] += dx; } else { input_gradient[at] = dx; }
    }
  }
  sums[local] = weight_sum;
  if (local % 16u == 0u) { bias_sums[lane] = bias_sum; }
  workgroupBarrier();
  if (local >= 16u || own >= vectors) { return; }
  for (var i = 1u; i < 16u; i++) {
    weight_sum += sums[16u * i + local];
    bias_sum += bias_sums[i];
  }
  let at = chunk * places.chunk + select(places.weights, places.second, is_second) + 4u * own;
  put(at, weight_sum.x);
  put(at + 1u, weight_sum.y);
  put(at + 2u, weight_sum.z);
  put(at + 3u, weight_sum.w);
  if (own == 0u) { put(chunk * places.chunk + select(places.bias, places.second_bias, is_second), bias_sum); }
}

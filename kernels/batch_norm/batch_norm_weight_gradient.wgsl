// batch_norm_weight_gradient.wgsl - gradients of scale and shift, per chunk of rows
//   input [R, N]   normaliser [2, N] mu and 1 / sd   output_gradient dy [R, N]
//   xhat = (input - mu) / sd
//   chunk_sums, partials [chunks, 2, N]   sums over a chunk of dy and dy xhat: gradients of shift and scale
//
// The sums are written twice: the kernel of the input's gradient needs them, and partials may also contain
// the sums of another use of the same scale and shift.
//
// For          both kinds of adapter      Grid   chunks N / 4 invocations in workgroups of 8 (64 on a GPU).
// Work split   one invocation owns four columns of one chunk of rows, as in batch_norm_statistics.wgsl.
// On a GPU     (reasoned) as in batch_norm_statistics.wgsl: coalesced, but few invocations.
//   compiled: navi31 36 VGPRs, 32 subgroups per SIMD (of 8 invocations: 48, 16); mi200 28, 9 (28, 9)
// On llvmpipe  limited by loads and stores, which llvmpipe executes number by number
// Cost         4 flops, 8 bytes per element.
// Forward      batch_norm_forward.wgsl      Next   batch_norm_input_gradient.wgsl, adam.wgsl

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const N4 = 16u;  // columns / 4
const ACCUMULATE_SCALE = false;
const ACCUMULATE_SHIFT = false;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

// Offsets in partials, in floats.
struct Places {
  chunk: u32,   // floats per chunk
  scale: u32,   // offset of the scale's sums within a chunk
  unread: u32,  // a field that this kernel does not read
  shift: u32,   // offset of the shift's sums within a chunk
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> normaliser: array<vec4f>;
@group(0) @binding(2) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> chunk_sums: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(5) var<uniform> places: Places;
@group(0) @binding(6) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn load_output_gradient(i: u32) -> vec4f { return output_gradient[i]; }

@compute @workgroup_size(WORKGROUP)
fn batch_norm_weight_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= N4 * step.chunks) { return; }
  let column = i % N4;
  let chunk = i / N4;
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  let mean = normaliser[column];
  let inverse = normaliser[column + N4];
  var shift = vec4f(0.0);
  var scale = vec4f(0.0);
  for (var r = first; r < end; r++) {
    let dy = load_output_gradient(r * N4 + column);
    shift += dy;
    scale += dy * (load_input(r * N4 + column) - mean);
  }
  scale *= inverse;
  let at = 2u * chunk * N4 + column;
  chunk_sums[at] = shift;
  chunk_sums[at + N4] = scale;
  let to_scale = chunk * (places.chunk / 4u) + places.scale / 4u + column;
  let to_shift = chunk * (places.chunk / 4u) + places.shift / 4u + column;
  if (ACCUMULATE_SCALE) { scale += partials[to_scale]; }
  if (ACCUMULATE_SHIFT) { shift += partials[to_shift]; }
  partials[to_scale] = scale;
  partials[to_shift] = shift;
}

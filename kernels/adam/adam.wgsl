// adam.wgsl - adds up the partial gradients and updates parameters by Adam, in one window of the parameters
//   partials [chunks, P]   gradient, weights, m, v [window]     P: parameters whose gradient has partial sums
//
//   g  = sum of partials over the chunks, in order, stored in gradient; without partial sums g = gradient
//   m' = b1 m + (1 - b1) g      v' = b2 v + (1 - b2) g^2
//   w' = w - rate m' / (sqrt(v') + epsilon),    rate = lr sqrt(1 - b2^t) / (1 - b1^t)   (by the host, in f64)
//          - decay w   if w decays,             decay = lr * weight decay
//
// A weight gradient is a sum over all rows of a batch, too long for one invocation: each chunk of rows gives
// a partial sum. A table has a gradient per row instead; the gradient of running statistics stays zero.
//
// This is TensorFlow's form: epsilon is added to sqrt(v'). PyTorch adds epsilon to sqrt(v' / (1 - b2^t)). In
// the first steps the same epsilon weighs up to 32 times more here, which matters for gradients near epsilon
// (1e-8). Weight decay is decoupled (Loshchilov and Hutter 2019): m and v do not contain it. With row-sparse
// Adam, adam_rows.wgsl updates only those rows of a table that are in the batch (see its header).
//
// For          both kinds of adapter
// Grid         W / 4 invocations in workgroups of 64, W: parameters of the window.
// Work split   one invocation owns four parameters.
// On a GPU     (reasoned) all parameters are in one flat buffer, so a model is one dispatch, not one per
//              layer (one per window of 128 MiB, the largest binding that WebGPU guarantees). Neighbours own
//              neighbouring vectors of all arrays: coalesced. The sum over chunks is computed here, so no
//              other dispatch reads the gradients again. Memory is the limit: 12 flops per 28 bytes.
//              Registers limit occupancy.
//   Sums       on a GPU a batch has up to 128 partial sums. Eight are loaded at once: a subgroup waits
//              sixteen times for memory instead of 128 times, and leaves registers for other subgroups.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (one sum at a time: 24, 32; sixteen: 72, 20); mi200 40,
//              6 (24, 10; 72, 3)
// Cost         12 flops and 28 bytes per parameter, plus 1 flop and 4 bytes per partial sum. The kernel runs
//              at the speed of memory.
// Before       matmul_weight_gradient_tiled.wgsl and the other gradient kernels

const WORKGROUP = 64;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
const AT_ONCE = 1u;  // number of partial sums that are loaded at once; 8 on a GPU

// Offsets and lengths in vectors of four floats. As they are not constants, all models share one kernel text.
struct Window {
  length: u32,
  stride: u32,      // from one chunk's partial sums to the next
  first: u32,       // start of the window in the arena
  summed: u32,      // how much of the window has partial sums
  decay1: u32,      // start and end of what decays in the window: a range of the summed parameters,
  decay1_end: u32,
  decay2: u32,      // and a range of the tables
  decay2_end: u32,
}

struct Step {
  size: vec4u,             // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,    // fields that this kernel does not read
  chunks: u32,             // number of partial sums of each weight gradient
  learning_rate: f32,      // Adam's bias-corrected rate
  unread2: u32,            // a field that this kernel does not read
  decay: f32,              // weight decay subtracts decay * weight
  @size(24) unread3: u32,  // fields that this kernel does not read
  table_decay: f32,        // weight decay subtracts table_decay * weight in tables
}

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<uniform> window: Window;
@group(0) @binding(6) var<uniform> step: Step;

// Adds the partial sums from chunk `first` on, in order. All loads are issued before the first addition.
fn add_block(before: vec4f, first: u32, chunks: u32, at: u32) -> vec4f {
  var loaded: array<vec4f, AT_ONCE>;
  for (var k = 0u; k < AT_ONCE; k++) { loaded[k] = partials[min(first + k, chunks - 1u) * window.stride + at]; }
  var sum = before;
  for (var k = 0u; k < AT_ONCE; k++) { sum += select(vec4f(0.0), loaded[k], first + k < chunks); }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= window.length) { return; }
  var g = vec4f(0.0);
  if (i < window.summed) {
    if (AT_ONCE > 1u) {
      let chunks = step.chunks;
      for (var first = 0u; first < chunks; first += AT_ONCE) { g = add_block(g, first, chunks, window.first + i); }
    } else if (step.chunks == 16u) {  // 16: the maximum on a CPU, whose compiler unrolls the loop
      for (var chunk = 0u; chunk < 16u; chunk++) { g += partials[chunk * window.stride + window.first + i]; }
    } else {
      for (var chunk = 0u; chunk < step.chunks; chunk++) { g += partials[chunk * window.stride + window.first + i]; }
    }
    gradient[i] = g;
  } else {
    g = gradient[i];
  }
  let m1 = BETA1 * m[i] + (1.0 - BETA1) * g;
  let v1 = BETA2 * v[i] + (1.0 - BETA2) * g * g;
  m[i] = m1;
  v[i] = v1;
  let w = weights[i];
  var w1 = w - step.learning_rate * m1 / (sqrt(v1) + EPSILON);
  if (i >= window.decay1 && i < window.decay1_end) { w1 -= step.decay * w; }
  if (i >= window.decay2 && i < window.decay2_end) { w1 -= step.table_decay * w; }
  weights[i] = w1;
}

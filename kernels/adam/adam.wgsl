// adam.wgsl - the end of a step: adds up the partial sums of the gradients, and does Adam on a window of the parameter arena
//
//   partials [chunks, P]      gradient, weights, m, v [window]      P = all parameters with a gradient that is summed
//
//   g  = sum over the chunks of partials, in order, written to gradient; for parameters past the summed ones, gradient itself
//   m' = b1 m + (1 - b1) g      v' = b2 v + (1 - b2) g^2
//   w' = w - rate m' / (sqrt(v') + epsilon),    rate = lr sqrt(1 - b2^t) / (1 - b1^t)   (made on the host, in f64)
//          - decay w   where w decays,          decay = lr * weight decay
//
// A weight gradient is a sum over all rows of a batch, too long for one invocation: each chunk of rows makes a partial sum.
// Tables have a gradient by row instead, and statistics one that stays zero.
//
// This is TensorFlow's form: epsilon is added outside of the bias correction. PyTorch adds it inside, where it is not divided
// by sqrt(1 - b2^t). So in the first steps the same epsilon weighs up to 32 times more here. It matters where gradients are
// near epsilon (1e-8). Weight decay is decoupled (Loshchilov and Hutter 2019): it is no part of m and v.
//
// Tables may be moved only where the batch touches them instead: adam_rows.wgsl, which says what that changes.
//
// For          both kinds of adapter
// Grid         P / 4 invocations in workgroups of 64, P the parameters of the window.
// Work split   one invocation owns four parameters.
// On a GPU     (reasoned) all parameters are in one flat arena, so a whole model is one dispatch (one for each window of 128
//              MiB, the most that a binding is sure to take), not one for each layer. Neighbours own neighbouring vectors of
//              all arrays: coalesced. The sum over chunks is done here as well, so gradients are not read again by another
//              dispatch. Memory decides: 10 flops to 28 bytes. Workgroups of 64; registers limit occupancy.
//   Sums       on a GPU a batch has up to 128 partial sums. Eight are loaded at once, so a subgroup waits sixteen times for
//              memory instead of 128 times, and has registers left for others to compute meanwhile.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (one sum at a time: 24, 32; sixteen: 72, 20); mi200 40, 6 (24, 10; 72, 3)
// Cost         10 flops and 28 bytes per parameter, 1 and 4 more for each partial sum: as fast as memory.
// Before       matmul_weight_gradient_tiled.wgsl and the other gradients

const WORKGROUP = 64;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
const AT_ONCE = 1u;  // partial sums that are loaded at once; 8 on a GPU
const P4 = 0u;       // P / 4
const FIRST4 = 0u;   // where the window starts in the arena / 4
const SUMMED4 = 0u;  // how many floats of the window are sums of partials / 4
const DECAY1 = 0u;   // what decays in the window, / 4: a range of the summed parameters,
const DECAY1_END = 0u;
const DECAY2 = 0u;   // and a range of the tables
const DECAY2_END = 0u;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // this and the next five: of other kernels
  counted: u32,
  page: u32,
  episode: u32,
  first_user: u32,
  epsilon: f32,
  table_decay: f32,    // share that weight decay takes off the tables
}

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

// Partial sums from chunk `first` on, added in order. All loads come first, to be awaited together.
fn add_block(before: vec4f, first: u32, chunks: u32, at: u32) -> vec4f {
  var loaded: array<vec4f, AT_ONCE>;
  for (var k = 0u; k < AT_ONCE; k++) { loaded[k] = partials[min(first + k, chunks - 1u) * P4 + at]; }
  var sum = before;
  for (var k = 0u; k < AT_ONCE; k++) { sum += select(vec4f(0.0), loaded[k], first + k < chunks); }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= arrayLength(&weights)) { return; }
  var g = vec4f(0.0);
  if (i < SUMMED4) {
    if (AT_ONCE > 1u) {
      let chunks = step.chunks;
      for (var first = 0u; first < chunks; first += AT_ONCE) { g = add_block(g, first, chunks, FIRST4 + i); }
    } else if (step.chunks == 16u) {  // the most there are on a CPU, whose compiler writes the loop out
      for (var chunk = 0u; chunk < 16u; chunk++) { g += partials[chunk * P4 + FIRST4 + i]; }
    } else {
      for (var chunk = 0u; chunk < step.chunks; chunk++) { g += partials[chunk * P4 + FIRST4 + i]; }
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
  if (i >= DECAY1 && i < DECAY1_END) { w1 -= step.decay * w; }
  if (i >= DECAY2 && i < DECAY2_END) { w1 -= step.table_decay * w; }
  weights[i] = w1;
}

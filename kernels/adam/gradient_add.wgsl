// gradient_add.wgsl - adds up the gradients of a batch in micro-batches, after each of them, for a window of the arena
//
//   partials [chunks, P]      gradient, total [window]      P = all parameters with a gradient that is summed
//
//   g      = sum over the part's chunks of partials, in order; for parameters past the summed ones, gradient itself
//   total' = g of the first part, total + g after it
//   after the last part total' is written where adam.wgsl reads a gradient: to the first chunk, the others become 0;
//   and to gradient for parameters past the summed ones
//
// The gradients of all parts have the factor 1 / C of the whole batch, so their sum is the gradient of its mean loss.
//
// For          both kinds of adapter
// Grid         P / 4 invocations in workgroups of 64, P the parameters of the window.
// Work split   one invocation owns four parameters.
// On a GPU     (reasoned) as adam.wgsl: neighbours own neighbouring vectors, and memory decides. Workgroups of 64; registers
//              limit occupancy.
// Cost         4 flops and 48 bytes for four parameters, 4 and 16 more for each chunk.
// Before       matmul_weight_gradient_tiled.wgsl and the other gradients      Next   adam.wgsl
// Only sparse rows   gradient_rows_add.wgsl

const WORKGROUP = 64;
const FIRST = false;  // of the parts
const LAST = false;
const AT_ONCE = 1u;   // partial sums that are loaded at once; 8 on a GPU
const P4 = 0u;        // P / 4
const FIRST4 = 0u;    // where the window starts in the arena / 4
const SUMMED4 = 0u;   // how many floats of the window are sums of partials / 4

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> total: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

// Partial sums from chunk `first` on, added in order. All loads come first, to be awaited together.
fn add_block(before: vec4f, first: u32, chunks: u32, at: u32) -> vec4f {
  var loaded: array<vec4f, AT_ONCE>;
  for (var k = 0u; k < AT_ONCE; k++) { loaded[k] = partials[min(first + k, chunks - 1u) * P4 + at]; }
  var sum = before;
  for (var k = 0u; k < AT_ONCE; k++) { sum += select(vec4f(0.0), loaded[k], first + k < chunks); }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn gradient_add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= arrayLength(&total)) { return; }
  let summed = i < SUMMED4;
  var g = vec4f(0.0);
  if (summed && AT_ONCE > 1u) {
    let chunks = step.chunks;
    for (var first = 0u; first < chunks; first += AT_ONCE) { g = add_block(g, first, chunks, FIRST4 + i); }
  } else if (summed) {
    for (var chunk = 0u; chunk < step.chunks; chunk++) { g += partials[chunk * P4 + FIRST4 + i]; }
  } else {
    g = gradient[i];
  }
  if (!FIRST) { g += total[i]; }
  if (!LAST) {
    total[i] = g;
    return;
  }
  if (!summed) {
    gradient[i] = g;
    return;
  }
  partials[FIRST4 + i] = g;
  for (var chunk = 1u; chunk < step.chunks; chunk++) { partials[chunk * P4 + FIRST4 + i] = vec4f(0.0); }
}

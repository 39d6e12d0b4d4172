// gradient_add.wgsl - adds up a batch's gradients over its micro-batches, in one window of the parameters
//   partials [chunks, P]      gradient, total [window]      P: parameters whose gradient has partial sums
//
//   g      = sum of partials over the micro-batch's chunks, in order; without partial sums g = gradient
//   total' = g of the first micro-batch, total + g for each later one
//   The last micro-batch writes total' where adam.wgsl reads the gradient: to partials of the first chunk
//     (the other chunks become 0), and to gradient for parameters without partial sums.
//
// All micro-batches have the whole batch's factor 1 / C, so their sum is the mean loss's gradient.
//
// For          both kinds of adapter
// Grid         W / 4 invocations in workgroups of 64, W: parameters of the window.
// Work split   one invocation owns four parameters.
// On a GPU     (reasoned) as adam.wgsl: neighbours own neighbouring vectors; memory is the limit. Registers
//              limit occupancy.
// Cost         4 flops and 48 bytes per four parameters, plus 4 flops and 16 bytes per chunk.
// Before       matmul_weight_gradient_tiled.wgsl and the other gradient kernels      Next   adam.wgsl
// Only sparse rows   gradient_rows_add.wgsl

const WORKGROUP = 64;
const FIRST = false;  // true for the first micro-batch
const LAST = false;
const AT_ONCE = 1u;   // number of partial sums that are loaded at once; 8 on a GPU
const P4 = 0u;        // P / 4
const FIRST4 = 0u;    // start of the window in the arena / 4
const SUMMED4 = 0u;   // number of the window's parameters that have partial sums / 4

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> total: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

// Adds the partial sums from chunk `first` on, in order. All loads are issued before the first addition.
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

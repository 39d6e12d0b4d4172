// gradient_sum.wgsl - adds the partial sums of all weight gradients at once
//
//   partials [chunks, P]      gradient [P]      P = all parameters but those with a row per item
//
// A weight gradient is a sum over all rows of a batch, too long for one invocation: each chunk of rows makes a partial
// sum. One dispatch adds them for every parameter, in the order of the chunks.
//
// Work split   one invocation owns four parameters.
// Cost         4 bytes read a partial sum.      Next   adam.wgsl

const WORKGROUP = 64;
const P4 = 1u;  // P / 4

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn gradient_sum(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= P4) { return; }
  var sum = vec4f(0.0);
  for (var chunk = 0u; chunk < step.chunks; chunk++) { sum += partials[chunk * P4 + i]; }
  gradient[i] = sum;
}

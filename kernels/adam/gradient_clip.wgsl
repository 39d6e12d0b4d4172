// gradient_clip.wgsl - scales a gradient that is longer than MOST to the length MOST
//   squares [PARTS]   partials [chunks, P]   gradient [all]     P: parameters whose gradient has partial sums
//   n = sqrt(sum of squares); if n > MOST, all partial sums and gradients are multiplied by MOST / n
//
// A gradient that is NaN stays NaN, so that the loss shows it.
//
// For          both kinds of adapter      Grid   one invocation per four parameters, in workgroups of 64.
// Work split   one invocation owns four parameters, and adds up the PARTS squares itself.
// On a GPU     (reasoned) as adam.wgsl: coalesced, memory is the limit; if n <= MOST only squares are read.
//              Workgroups of 64; registers limit occupancy.
// Cost         1 flop and 8 bytes per partial sum, or nothing.
// Before       gradient_norm.wgsl      Next   adam.wgsl

const WORKGROUP = 64;
const PARTS = 16u;
const P4 = 0u;     // P / 4
const ALL4 = 0u;   // all parameters / 4
const MOST = 1.0;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> squares: array<f32>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gradient: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn gradient_clip(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= ALL4) { return; }
  var sum = 0.0;
  for (var k = 0u; k < PARTS; k++) { sum += squares[k]; }
  if (sum <= MOST * MOST) { return; }
  let share = MOST / sqrt(sum);
  if (i >= P4) {
    gradient[i] *= share;
    return;
  }
  for (var chunk = 0u; chunk < step.chunks; chunk++) { partials[chunk * P4 + i] *= share; }
}

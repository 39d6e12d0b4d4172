// gradient_clip.wgsl - makes a gradient that is longer than MOST as short as that, in its direction
//
//   squares [PARTS]      partials [chunks, P]      gradient [all]      P = all parameters with a gradient that is summed
//
//   n = sqrt(sum of squares);  all partial sums and gradients times MOST / n where n > MOST
//
// A gradient that is NaN stays NaN; the loss shows it.
//
// For          both kinds of adapter
// Grid         an invocation for each vector of four of all parameters, in workgroups of 64.
// Work split   one invocation owns four parameters, and adds up the PARTS squares itself.
// On a GPU     (reasoned) as adam.wgsl: coalesced, memory decides; where n <= MOST nothing is read but squares. Workgroups of
//              64; registers limit occupancy.
// Cost         1 flop and 8 bytes a partial sum, or nothing.
// Before       gradient_norm.wgsl      Next   adam.wgsl

const WORKGROUP = 64;
const PARTS = 16u;
const P4 = 0u;     // P / 4
const ALL4 = 0u;   // all parameters / 4
const MOST = 1.0;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
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

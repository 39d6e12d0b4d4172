// gradient_norm.wgsl - the squares of a whole gradient, added up in PARTS parts
//
//   partials [chunks, P]      gradient [all]      P = all parameters with a gradient that is summed over chunks
//   squares [PARTS]           sums over the parameters of g^2, g as adam.wgsl makes it
//
// For          both kinds of adapter      Grid   64 PARTS invocations in workgroups of 64.
// Work split   PARTS workgroups; an invocation adds up every (PARTS WORKGROUP)-th vector of four parameters, then the first of
//              a workgroup adds up those of its neighbours, in order: the sum does not depend on the driver's pace.
// On a GPU     (reasoned) neighbours read neighbouring vectors: coalesced, bound by memory. A workgroup of 64 adds up 64 sums,
//              one after the other: a tree would save few of the microseconds that the walk takes.
// Cost         2 flops and 4 bytes per parameter, 1 and 4 more for each chunk.
// Before       matmul_weight_gradient_tiled.wgsl and the other gradients      Next   gradient_clip.wgsl

const WORKGROUP = 64;
const PARTS = 16u;
const P4 = 0u;     // P / 4
const ALL4 = 0u;   // all parameters / 4

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> squares: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn gradient_norm(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = id.x; i < ALL4; i += PARTS * WORKGROUP) {
    var g = vec4f(0.0);
    if (i < P4) {
      for (var chunk = 0u; chunk < step.chunks; chunk++) { g += partials[chunk * P4 + i]; }
    } else {
      g = gradient[i];
    }
    sum += dot(g, g);
  }
  sums[local] = sum;
  workgroupBarrier();
  if (local > 0u) { return; }
  for (var k = 1u; k < WORKGROUP; k++) { sum += sums[k]; }
  squares[id.x / WORKGROUP] = sum;
}

// gradient_norm.wgsl - the sum of a whole gradient's squares, in PARTS parts
//   partials [chunks, P]   gradient [all]      P: parameters whose gradient has partial sums
//   squares [PARTS]        sums over the parameters of g^2, with g as computed by adam.wgsl
// For          both kinds of adapter      Grid   64 PARTS invocations in workgroups of 64.
// Work split   PARTS workgroups; an invocation adds up every (PARTS WORKGROUP)-th vector of four parameters.
//              Then the first invocation of a workgroup adds up its workgroup's sums, in order: the same bits
//              in every run.
// On a GPU     (reasoned) neighbours read neighbouring vectors: coalesced, bound by memory. One invocation
//              per workgroup adds up 64 sums one after another: a tree would save few of the kernel's
//              microseconds.
// Cost         2 flops and 4 bytes per parameter, plus 1 flop and 4 bytes per chunk.
// Before       matmul_weight_gradient_tiled.wgsl and the other gradient kernels
// Next         gradient_clip.wgsl

const WORKGROUP = 64;
const PARTS = 16u;
const P4 = 0u;     // P / 4
const ALL4 = 0u;   // all parameters / 4

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
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

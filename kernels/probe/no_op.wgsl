// no_op.wgsl - does nothing: measures the cost of a dispatch
//   output [1]
// For          both kinds of adapter      Grid   one workgroup of 1.
// Work split   one workgroup of one invocation.
// Cost         none: no dispatch is faster than this one.

const WORKGROUP = 1;

struct Step { size: vec4u }  // x: users

@group(0) @binding(0) var<storage, read_write> output: array<f32>;
@group(0) @binding(1) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn no_op() {
  if (step.size.x == 0xffffffffu) { output[0] = 0.0; } // never true, but the bindings must be used
}

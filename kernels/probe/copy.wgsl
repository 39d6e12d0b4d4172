// copy.wgsl - measures how fast an adapter copies memory
//   input [N]   output [N], vectors of four
// For          both kinds of adapter      Grid   N / 4 invocations in workgroups of 64.
// Work split   one invocation copies four vectors, a quarter of the array apart, so that four loads are in
//              flight. Neighbours copy neighbouring vectors. With one vector per invocation, starting
//              invocations would take most of the time.
// Cost         no flops, 32 bytes per vector (16 read, 16 written): the slope of the roofline.

const WORKGROUP = 64;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn copy(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let quarter = arrayLength(&input) / 4u;
  output[i] = input[i];
  output[i + quarter] = input[i + quarter];
  output[i + 2u * quarter] = input[i + 2u * quarter];
  output[i + 3u * quarter] = input[i + 3u * quarter];
}

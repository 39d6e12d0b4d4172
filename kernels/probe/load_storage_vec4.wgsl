// load_storage_vec4.wgsl - measures how many floats per second come from a buffer, four per load
//   input [COUNT], vectors of four, as storage or as a uniform   output [invocations]
// For          both kinds of adapter
// Grid         as many invocations as fill the adapter, in workgroups of 64.
// Work split   every invocation reads 8 vectors per round, at its own address, and adds them to four
//              independent sums. The array fits the first-level cache, so the loads are measured, not the
//              memory. The sum is written, so that the compiler cannot omit a load.
// Cost         32 floats per round and invocation.

const WORKGROUP = 64;
const COUNT = 1024u;
const ROUNDS = 512u;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn load_storage_vec4(@builtin(local_invocation_index) local: u32, @builtin(global_invocation_id) id: vec3u) {
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var round = 0u; round < ROUNDS; round++) {
    let i = (local + 8u * round) & (COUNT / 2u - 1u);
    s0 += input[i]; s1 += input[i + 1u]; s2 += input[i + 2u]; s3 += input[i + 3u];
    s0 += input[i + 4u]; s1 += input[i + 5u]; s2 += input[i + 6u]; s3 += input[i + 7u];
  }
  let sum = (s0 + s1) + (s2 + s3);
  output[id.x] = (sum.x + sum.y) + (sum.z + sum.w);
}

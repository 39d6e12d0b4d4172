// load_workgroup.wgsl - measures how many floats per second come from workgroup memory
//   input [COUNT]   output [invocations]
// For          both kinds of adapter
// Grid         as many invocations as fill the adapter, in workgroups of 64.
// Work split   first a workgroup fills its memory, once for all rounds. Then every invocation reads 8 floats
//              per round, at its own address, and adds them to four independent sums. The array fits the
//              first-level cache, so the loads are measured, not the memory. The sum is written, so that the
//              compiler cannot omit a load.
// Cost         8 floats per round and invocation.

const WORKGROUP = 64;
const COUNT = 1024u;
const ROUNDS = 512u;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

var<workgroup> tile: array<f32, COUNT>;

@compute @workgroup_size(WORKGROUP)
fn load_workgroup(@builtin(local_invocation_index) local: u32, @builtin(global_invocation_id) id: vec3u) {
  for (var i = local; i < COUNT; i += WORKGROUP) { tile[i] = input[i]; }
  workgroupBarrier();
  var s0 = 0.0;
  var s1 = 0.0;
  var s2 = 0.0;
  var s3 = 0.0;
  for (var round = 0u; round < ROUNDS; round++) {
    let i = (local + 8u * round) & (COUNT / 2u - 1u);
    s0 += tile[i]; s1 += tile[i + 1u]; s2 += tile[i + 2u]; s3 += tile[i + 3u];
    s0 += tile[i + 4u]; s1 += tile[i + 5u]; s2 += tile[i + 6u]; s3 += tile[i + 7u];
  }
  output[id.x] = (s0 + s1) + (s2 + s3);
}

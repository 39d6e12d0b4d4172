// fma.wgsl - measures an adapter's maximum of multiply-adds per second
//   seeds [2]   output [invocations]        a_k = a_k x + y,    k = 0 .. 11, four times per round
// For          both kinds of adapter
// Grid         as many invocations as fill the adapter, in workgroups of 64.
// Work split   one invocation has 12 independent accumulators: a fused multiply-add has a latency of some
//              four cycles, and two start per cycle. The accumulators, the seeds and the round just fit 16
//              vector registers. Accumulators are scalars, because the lanes of a CPU's vector are
//              invocations. The seeds come from a buffer, so that the compiler cannot precompute anything.
//              The sum of the accumulators is written, so that the compiler cannot omit anything.
// Cost         96 flops per round and invocation, almost no bytes: the flat part of the roofline.

const WORKGROUP = 64;
const ROUNDS = 256u;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> seeds: array<f32>;
@group(0) @binding(1) var<storage, read_write> output: array<f32>;
@group(0) @binding(2) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn fma(@builtin(global_invocation_id) id: vec3u) {
  let x = seeds[0];
  let y = seeds[1];
  let seed = f32(id.x);
  var a0 = seed + 0.0;
  var a1 = seed + 1.0;
  var a2 = seed + 2.0;
  var a3 = seed + 3.0;
  var a4 = seed + 4.0;
  var a5 = seed + 5.0;
  var a6 = seed + 6.0;
  var a7 = seed + 7.0;
  var a8 = seed + 8.0;
  var a9 = seed + 9.0;
  var a10 = seed + 10.0;
  var a11 = seed + 11.0;
  for (var round = 0u; round < ROUNDS; round++) {
    a0 = a0 * x + y; a1 = a1 * x + y; a2 = a2 * x + y; a3 = a3 * x + y;
    a4 = a4 * x + y; a5 = a5 * x + y; a6 = a6 * x + y; a7 = a7 * x + y;
    a8 = a8 * x + y; a9 = a9 * x + y; a10 = a10 * x + y; a11 = a11 * x + y;
    a0 = a0 * x + y; a1 = a1 * x + y; a2 = a2 * x + y; a3 = a3 * x + y;
    a4 = a4 * x + y; a5 = a5 * x + y; a6 = a6 * x + y; a7 = a7 * x + y;
    a8 = a8 * x + y; a9 = a9 * x + y; a10 = a10 * x + y; a11 = a11 * x + y;
    a0 = a0 * x + y; a1 = a1 * x + y; a2 = a2 * x + y; a3 = a3 * x + y;
    a4 = a4 * x + y; a5 = a5 * x + y; a6 = a6 * x + y; a7 = a7 * x + y;
    a8 = a8 * x + y; a9 = a9 * x + y; a10 = a10 * x + y; a11 = a11 * x + y;
    a0 = a0 * x + y; a1 = a1 * x + y; a2 = a2 * x + y; a3 = a3 * x + y;
    a4 = a4 * x + y; a5 = a5 * x + y; a6 = a6 * x + y; a7 = a7 * x + y;
    a8 = a8 * x + y; a9 = a9 * x + y; a10 = a10 * x + y; a11 = a11 * x + y;
  }
  output[id.x] = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11;
}

// matmul_forward_4_registers.wgsl - a dense layer, with a block of the output in registers
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]      output = ELU(input W + bias)
// Grid         N / 4 x M / 4 invocations in workgroups of 16.
// Idea         one invocation owns 4 rows x 4 columns. For each k it loads 4 numbers of the input and a
//              vector of weights: 8 floats for 32 flops, where the naive kernel loads 32.
// On a GPU     (reasoned) faster: registers are the fastest memory. Fast kernels combine a tile per workgroup
//              with a block per invocation: matmul_forward_tiled.wgsl.
// On llvmpipe  faster, as on a GPU: loads cost most, and each serves 4 products. No barrier.

const WORKGROUP = 16;  // blocks of 4 columns
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step { size: vec4u }  // z: rows

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

fn put(m: u32, column: u32, sum: vec4f) {
  if (m >= step.size.z) { return; }
  let z = sum + bias[column];
  output[m * N4 + column] = select(exp(min(z, vec4f(0.0))) - 1.0, z, z > vec4f(0.0));
}

@compute @workgroup_size(WORKGROUP)
fn matmul_forward_4_registers(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  let column = id.x;
  let m = 4u * id.y;
  let last = step.size.z - 1u;
  if (column >= N4 || m > last) { return; }
  // Rows past the end read the last row again; they are not stored.
  let r0 = m * K;
  let r1 = min(m + 1u, last) * K;
  let r2 = min(m + 2u, last) * K;
  let r3 = min(m + 3u, last) * K;
  var c0 = vec4f(0.0);
  var c1 = vec4f(0.0);
  var c2 = vec4f(0.0);
  var c3 = vec4f(0.0);
  for (var k = 0u; k < K; k++) {
    let w = weights[k * N4 + column];
    c0 += w * input[r0 + k];
    c1 += w * input[r1 + k];
    c2 += w * input[r2 + k];
    c3 += w * input[r3 + k];
  }
  put(m, column, c0);
  put(m + 1u, column, c1);
  put(m + 2u, column, c2);
  put(m + 3u, column, c3);
}

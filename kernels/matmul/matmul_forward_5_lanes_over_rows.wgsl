// matmul_forward_5_lanes_over_rows.wgsl - a dense layer, with neighbouring invocations on neighbouring rows
//   input [M, K]   weights [K, N]   bias [N]   output [M, N]      output = ELU(input W + bias)
// Grid         M / 4 x N / 4 invocations in workgroups of 8.
// Idea         the block of step 4, but x counts rows and y columns: all invocations of a workgroup read the
//              same weights, but different rows of the input.
// On a GPU     (reasoned) slower: neighbours that are K floats apart touch a cache line each, while
//              neighbours in a row share a line (coalescing). A tile, or a transposed copy of the matrix,
//              would help.
// On llvmpipe  loads run lane by lane, at any addresses. Eight rows are a few more cache lines, so this step
//              alone is a little slower. It pays later: weights that all lanes read alike can be stored where
//              such reads are cheap. Step 6 is this kernel with the weights in a uniform buffer.

const WORKGROUP = 8;  // blocks of 4 rows
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
fn matmul_forward_5_lanes_over_rows(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  let column = id.y;
  let m = 4u * id.x;
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

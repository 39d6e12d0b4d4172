// matmul_weight_gradient_4_outer.wgsl - gradient of a dense layer's weights, as a sum of outer products
//   input [M, K]   output_gradient [M, N]
//   partials [chunk, K, N] = sum over the chunk's rows of input_m^T output_gradient_m
// Grid         (K / 4) (N / 4) x chunks invocations in workgroups of 16.
// Idea         an invocation owns 4 x 4 weights in registers: for each row it loads a vector of the input and
//              a vector of the gradient, and adds their outer product. 2 vectors for 32 flops.
// On a GPU     (reasoned) faster, as every block in registers. With tiles it becomes
//              matmul_weight_gradient_tiled.wgsl.
// On llvmpipe  faster: each loaded number serves 4 products.

const WORKGROUP = 16;  // blocks of 4 x 4 weights
const K4 = 16u;  // columns of the input / 4
const N4 = 16u;  // columns of the output / 4

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn matmul_weight_gradient_4_outer(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= K4 * N4) { return; }
  let k = id.x / N4;
  let n = id.x % N4;
  let rows = step.size.z;
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(id.y * stretch, rows);
  let end = min(first + stretch, rows);
  var c0 = vec4f(0.0);
  var c1 = vec4f(0.0);
  var c2 = vec4f(0.0);
  var c3 = vec4f(0.0);
  for (var m = first; m < end; m++) {
    let x = input[m * K4 + k];
    let d = output_gradient[m * N4 + n];
    c0 += d * x.x;
    c1 += d * x.y;
    c2 += d * x.z;
    c3 += d * x.w;
  }
  let at = 4u * (id.y * K4 + k) * N4 + n;
  partials[at] = c0;
  partials[at + N4] = c1;
  partials[at + 2u * N4] = c2;
  partials[at + 3u * N4] = c3;
}

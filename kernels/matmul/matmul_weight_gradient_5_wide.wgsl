// matmul_weight_gradient_5_wide.wgsl - gradient of a dense layer's weights, with a wider block
//   input [M, K]   output_gradient [M, N]
//   partials [chunk, K, N] = sum over the chunk's rows of input_m^T output_gradient_m
// Grid         (K / 8) (N / 16) x chunks invocations in workgroups of 8.
// Idea         8 x 16 weights per invocation: 6 vectors per row for 256 flops, where step 4 loads 16 vectors.
// On a GPU     (reasoned) 128 accumulators are too many: few invocations fit at a time.
// On llvmpipe  faster, but less than the number of loads suggests: 128 accumulators of 8 lanes exceed the
//              vector registers, so memory holds them, and each row reads and writes them. The shipped
//              kernel, matmul_weight_gradient_rows.wgsl, adds up four rows in registers first.

const WORKGROUP = 8;  // blocks of 8 x 16 weights
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

fn load_input(i: u32) -> vec4f { return input[i]; }
fn load_output_gradient(i: u32) -> vec4f { return output_gradient[i]; }

// Returns one row's part of 4 x 4 weights; each column of the matrix is a row of weights.
fn outer(x: vec4f, d: vec4f) -> mat4x4f { return mat4x4f(d * x.x, d * x.y, d * x.z, d * x.w); }

fn put(chunk: u32, k: u32, n: u32, c: mat4x4f) {
  if (k >= K4 || n >= N4) { return; }
  let at = 4u * (chunk * K4 + k) * N4 + n;
  partials[at] = c[0];
  partials[at + N4] = c[1];
  partials[at + 2u * N4] = c[2];
  partials[at + 3u * N4] = c[3];
}

@compute @workgroup_size(WORKGROUP)
fn matmul_weight_gradient_5_wide(@builtin(global_invocation_id) id: vec3u) {
  const COLUMN_BLOCKS = (N4 + 3u) / 4u;
  let k = 2u * (id.x / COLUMN_BLOCKS);
  let n = 4u * (id.x % COLUMN_BLOCKS);
  if (k >= K4) { return; }
  let rows = step.size.z;
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(id.y * stretch, rows);
  let end = min(first + stretch, rows);
  var c00 = mat4x4f();
  var c01 = mat4x4f();
  var c02 = mat4x4f();
  var c03 = mat4x4f();
  var c10 = mat4x4f();
  var c11 = mat4x4f();
  var c12 = mat4x4f();
  var c13 = mat4x4f();
  for (var m = first; m < end; m++) {
    // Columns past the end are not stored.
    let x0 = load_input(m * K4 + k);
    let x1 = load_input(m * K4 + min(k + 1u, K4 - 1u));
    let d0 = load_output_gradient(m * N4 + n);
    c00 += outer(x0, d0);
    c10 += outer(x1, d0);
    let d1 = load_output_gradient(m * N4 + min(n + 1u, N4 - 1u));
    c01 += outer(x0, d1);
    c11 += outer(x1, d1);
    let d2 = load_output_gradient(m * N4 + min(n + 2u, N4 - 1u));
    c02 += outer(x0, d2);
    c12 += outer(x1, d2);
    let d3 = load_output_gradient(m * N4 + min(n + 3u, N4 - 1u));
    c03 += outer(x0, d3);
    c13 += outer(x1, d3);
  }
  put(id.y, k, n, c00);
  put(id.y, k, n + 1u, c01);
  put(id.y, k, n + 2u, c02);
  put(id.y, k, n + 3u, c03);
  put(id.y, k + 1u, n, c10);
  put(id.y, k + 1u, n + 1u, c11);
  put(id.y, k + 1u, n + 2u, c12);
  put(id.y, k + 1u, n + 3u, c13);
}

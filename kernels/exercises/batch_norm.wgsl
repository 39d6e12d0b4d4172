// batch_norm.wgsl - exercise: the gradient of batch norm's input      (read kernels/course/6-batch-norm.md)
//   input x [R, N]   normaliser [2, N] mean mu, then 1 / sd   scale g [N]   output_gradient dy [R, N]
//   chunk_sums [chunks, 2, N]   sums over a chunk's rows of dy, then of dy xhat        xhat = (x - mu) / sd
//   input_gradient = g / sd (dy - mean of dy - xhat mean of (dy xhat)) ELU'      means over all R rows
//   x = ELU(z) is the output of the previous layer: ELU' = 1 for x > 0, else x + 1
//   Rows are padded to whole vectors of four with zeros: N = 4 N4.
//
// Your task    add up the chunks' sums and compute the gradient.
// Then         here every invocation adds up the chunks again for one number. Let an invocation own several
//              rows, for example with the grid "(R / 16) N4".
// Rules        kernels/README.md, "The exercises". Letters of the grid: R, N4, C chunks.
// grid: N4, R

const WORKGROUP = 16;
const WORKGROUP_Y = 4;
const N4 = 16u;

struct Step {
  size: vec4u,           // z: R
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read> normaliser: array<vec4f>;
@group(0) @binding(2) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read> chunk_sums: array<vec4f>;
@group(0) @binding(4) var<storage, read> scale: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn batch_norm(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;  // index of a vector of four columns
  let r = id.y;
  if (column >= N4 || r >= step.size.z) { return; }
  let mean = normaliser[column];
  let inverse = normaliser[N4 + column];
  let x = input[r * N4 + column];
  let dy = output_gradient[r * N4 + column];
  // YOUR CODE: means of dy and dy xhat, from chunk_sums[2 chunk N4 + column], [(2 chunk + 1) N4 + column].
  let dx = scale[column] * inverse * (dy - mean * x);  // YOUR CODE: the gradient.
  let slope = select(x + 1.0, vec4f(1.0), x > vec4f(0.0));
  input_gradient[r * N4 + column] = dx * slope;
}

// weight_gradient.wgsl - exercise: a weight gradient   (read kernels/course/14-filling-the-machine.md)
//   input [M, K]   output_gradient [M, N]   partials [chunks, K, N]
//   The gradient is input^T output_gradient, a sum over all M rows of the batch. M is large and K N is small,
//     so the rows are split into step.chunks chunks of equal length: partials[chunk] is the sum over one
//     chunk's rows. Adam adds up the chunks.
//   Chunk c has rows c stretch to (c + 1) stretch, stretch = ceil(M / chunks); the last may be shorter.
//   Rows are padded with zeros to vectors of four: K = 4 K4, N = 4 N4. Bindings: array<f32> or array<vec4f>.
//
// Your task    compute the sum over the rows of a chunk. Write every chunk, even an empty one. (The checker
//              accepts any split of the rows, because Adam adds up the chunks.)
// Then         let an invocation own 4 x 4 weights: 8 numbers read for 16 products. Adapt the grid.
// Rules        kernels/README.md, "The exercises". Letters of the grid: M, K4, N4, C chunks, e.g. "(K4 / 2)
//              (N4 / 4), C".
// grid: 16 K4 N4, C

const WORKGROUP = 64;
const K4 = 16u;
const N4 = 16u;

struct Step {
  size: vec4u,           // z: M
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,
}

@group(0) @binding(0) var<storage, read> input: array<f32>;
@group(0) @binding(1) var<storage, read> output_gradient: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn weight_gradient(@builtin(global_invocation_id) id: vec3u) {
  const K = 4u * K4;
  const N = 4u * N4;
  if (id.x >= K * N) { return; }
  let k = id.x / N;
  let n = id.x % N;
  let chunk = id.y;
  var sum = 0.0;
  // YOUR CODE: the sum over the chunk's rows m of input[m, k] output_gradient[m, n].
  partials[chunk * K * N + k * N + n] = sum;
}

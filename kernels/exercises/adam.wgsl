// adam.wgsl - exercise: Adam, with a gradient in partial sums      (read kernels/course/7-adam.md)
//   partials [chunks, P]   partial sums of the gradient     weights, m, v [P]   read and written
//   g  = sum over the chunks of partials, in order
//   m' = b1 m + (1 - b1) g      v' = b2 v + (1 - b2) g^2      w' = w - rate m' / (sqrt(v') + epsilon)
//   rate = step.learning_rate includes the bias correction: the host computes it in f64
//
// Your task    compute m', v' and w'.
// Then         count the bytes that a parameter needs, and measure your adapter's bandwidth (deno task bench
//              adapter): how far below the bandwidth is your kernel?
// Rules        kernels/README.md, "The exercises". Letters of the grid: P4. P = 4 P4, all in whole vectors.
// grid: P4

const WORKGROUP = 64;
const P4 = 16u;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

struct Step {
  size: vec4u,
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,
  learning_rate: f32,
}

@group(0) @binding(0) var<storage, read> partials: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3u) {
  let i = id.x;
  if (i >= P4) { return; }
  var g = vec4f(0.0);
  for (var chunk = 0u; chunk < step.chunks; chunk++) { g += partials[chunk * P4 + i]; }
  // YOUR CODE: the two moments, and the step.
  m[i] = g;
  v[i] = g * g;
  weights[i] -= step.learning_rate * g;
}

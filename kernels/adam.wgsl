// adam.wgsl - Adam on a window of the flat parameter arena
//
//   m' = b1 m + (1 - b1) g      v' = b2 v + (1 - b2) g^2
//   w' = w - rate m' / (sqrt(v') + epsilon),    rate = lr sqrt(1 - b2^t) / (1 - b1^t)   (made on the host, in f64)
//
// TensorFlow's form: epsilon is added outside the bias correction. PyTorch adds it inside, where it is not divided by
// sqrt(1 - b2^t): in the first steps the same epsilon weighs up to 32 times more here. It matters where gradients are
// near epsilon (1e-8).
//
// Work split   one invocation owns four parameters; a whole model is one dispatch (one for each window of 128 MiB).
// Cost         10 flops and 28 bytes a parameter: as fast as memory.

const WORKGROUP = 64;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn adam(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= arrayLength(&weights)) { return; }
  let g = gradient[i];
  let m1 = BETA1 * m[i] + (1.0 - BETA1) * g;
  let v1 = BETA2 * v[i] + (1.0 - BETA2) * g * g;
  m[i] = m1;
  v[i] = v1;
  weights[i] -= step.learning_rate * m1 / (sqrt(v1) + EPSILON);
}

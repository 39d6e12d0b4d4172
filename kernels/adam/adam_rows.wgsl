// adam_rows.wgsl - Adam on the rows of a table that a batch touches; all others stay as they are and cost nothing
//
//   sparse_rows [T]   a row of the table, each at most once, or NONE      T = the batch's events or distinct items; or PLACES
//                 at most: token_gradient_rows.wgsl has written all places that are reached here
//   gradient [T, N] of these rows      weights, m, v [I, N]
//
// For a sparse row the result is that of adam.wgsl, to the bit. A row without a gradient keeps its weights and moments: this
// is TensorFlow Addons' LazyAdam and, but for the place of epsilon, torch.optim.SparseAdam. It is another optimiser than
// dense Adam, for which an absent row has a gradient of zero:
//
//   dense        m' = b1 m, v' = b2 v, and the row still moves by its decaying momentum; weight decay shrinks it every step
//   row-sparse   nothing; at its next touch m is as large as it was left, and so is v
//
// So a rare item moves by its own gradients alone, and its moments last for more steps. The bias correction in the rate counts
// all steps. A row that gets its first gradient late has m = (1 - b1) g, v = (1 - b2) g^2 and no correction, so it
// moves by up to (1 - b1) / sqrt(1 - b2) = 3.2 rates. The same holds for dense Adam.
//
// For          both kinds of adapter      Grid   T N / 4 invocations in workgroups of 64.
// Work split   one invocation owns four parameters of one sparse row.
// On a GPU     (reasoned) neighbours own neighbouring vectors of one row: coalesced within the row. Rows are far apart, so
//              narrow ones waste a part of each memory transaction. Places with NONE end at once. Workgroups of 64 fill
//              subgroups: with 64 columns or more a subgroup of 32 has at most two rows.
// On llvmpipe  a row takes twice as long as one of a small table, as its weights and moments are far apart in memory. So one
//              row in ten of a large table takes a fifth of what adam.wgsl takes over all of it.
// Cost         10 flops and 28 bytes per parameter of a sparse row.
// Before       embedding_gradient_rows.wgsl, token_gradient_rows.wgsl, first_layer_backward.wgsl

const WORKGROUP = 64;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
const N4 = 16u;        // columns / 4
const T = 3u;          // step.size[T] is the list's length
const PLACES = 0u;     // the list's length where it is none of these, else 0
const DECAYS = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,      // iterations before this step
  decay: f32,          // share that weight decay takes off
  noise: u32,          // this and the next five: of other kernels
  counted: u32,
  page: u32,
  episode: u32,
  first_user: u32,
  epsilon: f32,
  table_decay: f32,    // share that weight decay takes off the tables
}

@group(0) @binding(0) var<storage, read> sparse_rows: array<u32>;
@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn adam_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let k = id.x + id.y * (grid.x * WORKGROUP);
  if (k >= select(step.size[T], PLACES, PLACES > 0u) * N4) { return; }
  let row = sparse_rows[k / N4];
  if (row == NONE) { return; }
  let i = row * N4 + k % N4;
  let g = gradient[k];
  let m1 = BETA1 * m[i] + (1.0 - BETA1) * g;
  let v1 = BETA2 * v[i] + (1.0 - BETA2) * g * g;
  m[i] = m1;
  v[i] = v1;
  let w = weights[i];
  var w1 = w - step.learning_rate * m1 / (sqrt(v1) + EPSILON);
  if (DECAYS) { w1 -= step.table_decay * w; }
  weights[i] = w1;
}

// adam_rows.wgsl - applies Adam to those rows of a table that the batch uses; all other rows stay unchanged
//   sparse_rows [T]   rows of the table, each at most once, or NONE
//                     T: events or distinct items of the batch; or PLACES, all of which are written
//   gradient [T, N] of these rows      weights, m, v [I, N]
//
// A row of the batch gets the same bits as from adam.wgsl. A row without a gradient keeps its weights and
// moments, as in TensorFlow Addons' LazyAdam and, except for the position of epsilon, in
// torch.optim.SparseAdam. This optimiser differs from dense Adam, in which an absent row has a gradient of
// zero. For an absent row:
//
//   dense        m' = b1 m, v' = b2 v; momentum still moves the row, and weight decay shrinks it
//   row-sparse   nothing changes: m and v keep their values until a batch uses the row again
//
// So only its own gradients move a rare item, and its moments last for more steps. The rate's bias correction
// counts all steps. A row whose first gradient comes late has m = (1 - b1) g, v = (1 - b2) g^2 and no
// correction, so the row moves by up to (1 - b1) / sqrt(1 - b2) = 3.2 rates. The same holds for dense Adam.
//
// For          both kinds of adapter      Grid   T N / 4 invocations in workgroups of 64.
// Work split   one invocation owns four parameters of one sparse row.
// On a GPU     (reasoned) neighbours own neighbouring vectors of one row: coalesced within the row. Rows are
//              far apart, so narrow rows waste a part of each memory transaction. Invocations of NONE entries
//              return at once. Workgroups of 64 fill subgroups: with 64 columns a subgroup of 32 has at most
//              two rows.
// On llvmpipe  a row takes twice as long as a row of a small table, because its weights and moments are far
//              apart in memory. If a tenth of a large table's rows is in the batch, adam_rows.wgsl takes a
//              fifth of adam.wgsl's time.
// Cost         12 flops and 28 bytes per parameter of a sparse row.
// Before       embedding_gradient_rows.wgsl, token_gradient_rows.wgsl, first_layer_backward.wgsl

const WORKGROUP = 64;
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;
const N4 = 16u;        // columns / 4
const T = 3u;          // step.size[T] is the length of sparse_rows
const PLACES = 0u;     // length of the list if it is no component of step.size, else 0
const DECAYS = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,             // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(12) unread: u32,   // fields that this kernel does not read
  learning_rate: f32,      // Adam's bias-corrected rate
  @size(32) unread2: u32,  // fields that this kernel does not read
  table_decay: f32,        // weight decay subtracts table_decay * weight in tables
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

// gradient_rows_add.wgsl - gradient_add.wgsl for the rows of a table that a part of a batch touches; the others cost nothing
//
//   sparse_rows [T]   a row of the table, each at most once, or NONE      T = the part's events or distinct items; or PLACES
//   gradient [T, N] of these rows
//   mark [I]      the row itself where a part has added to it, otherwise NONE; all NONE before the first part
//   total [I, N]  the sum of the gradients of a row that is marked
//
// Parts touch rows in common, and Adam must move each row once. So mark is the list of sparse rows that adam_rows.wgsl walks
// along after the last part, and total the gradients of its places.
//
// For          both kinds of adapter      Grid   T N / 4 invocations in workgroups of 64.
// Work split   one invocation of N / 4 owns a sparse row, as its mark decides on all columns; the others end at once. So this
//              kernel reaches the places that adam_rows.wgsl would, and no more of them are written.
// On a GPU     (reasoned) rows are far apart, and neighbours read different ones: not coalesced. Batches that are cut are
//              large, so this is little compared with their products.
// Cost         1 flop and 12 bytes per element of a sparse row.
// Before       embedding_gradient_rows.wgsl, token_gradient_rows.wgsl, first_layer_backward.wgsl      Next   adam_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;        // columns / 4
const T = 3u;          // step.size[T] is the list's length
const PLACES = 0u;     // the list's length where it is none of these, else 0
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> sparse_rows: array<u32>;
@group(0) @binding(1) var<storage, read> gradient: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> mark: array<u32>;
@group(0) @binding(3) var<storage, read_write> total: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn gradient_rows_add(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i % N4 != 0u || i >= select(step.size[T], PLACES, PLACES > 0u) * N4) { return; }
  let k = i / N4;
  let row = sparse_rows[k];
  if (row == NONE) { return; }
  let before = mark[row] == row;
  for (var c = 0u; c < N4; c++) {
    var sum = gradient[k * N4 + c];
    if (before) { sum += total[row * N4 + c]; }
    total[row * N4 + c] = sum;
  }
  mark[row] = row;
}

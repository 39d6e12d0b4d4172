// gradient_rows_add.wgsl - gradient_add.wgsl for only those rows of a table that a micro-batch uses
//   sparse_rows [T]   rows of the table, each at most once, or NONE
//                     T: events or distinct items of the micro-batch; or PLACES, at most
//   gradient [T, N] of these rows
//   mark [I]          the row's index if a micro-batch has added to the row, else NONE; initially all NONE
//   total [I, N]      sum of the gradients of a marked row
//
// Several micro-batches may use the same row, but Adam must update the row once. After the last micro-batch
// adam_rows.wgsl therefore gets mark as its list of sparse rows, and total as their gradients.
//
// For          both kinds of adapter      Grid   T N / 4 invocations in workgroups of 64.
// Work split   one of N / 4 invocations owns a sparse row, because its mark decides on all columns; the
//              others return at once. So the kernel reads the same entries as adam_rows.wgsl, and needs no
//              other entries to be written.
// On a GPU     (reasoned) rows are far apart and neighbours read different rows: not coalesced. Only large
//              batches are split into micro-batches, and their products take much longer than this kernel.
// Cost         1 flop and 12 bytes per element of a sparse row.
// Before       embedding_gradient_rows.wgsl, token_gradient_rows.wgsl, first_layer_backward.wgsl
// Next         adam_rows.wgsl

const WORKGROUP = 64;
const N4 = 16u;        // columns / 4
const T = 3u;          // step.size[T] is the length of sparse_rows
const PLACES = 0u;     // length of the list if it is no component of step.size, else 0
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // sizes of the batch

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

// table_rows.wgsl - the rows of a table that a batch needs, one after another, from a window of the table
//
//   table [ROWS, N]   the rows FIRST to FIRST + ROWS - 1 of a table [I, N] that is larger than a binding
//   list [T]          a row of the table for each place      T = the batch's events or distinct items
//   output [T, N]     output_t = table_list[t], where that row is in the window; all others stay as they are
//
// One dispatch for each window writes all of output, as each row is in one of them. What reads it goes by the place, not by the
// item: a table of any size takes as much of a step's memory as its rows in the batch.
//
// For          both kinds of adapter
// Grid         T invocations in workgroups of 64 (on a GPU T N / 4), for each window.
// Work split   one invocation owns the row of one place (on a GPU four columns of it). Where that is in another window, its loop
//              does not turn.
// On a GPU     (reasoned, not measured) neighbours own neighbouring columns: a row is read and written coalesced, and which row
//              it is, is a broadcast. With W windows W times as many invocations start as write; a window has 128 MiB, so they
//              are few. Loads are vectors of 16 bytes. Workgroups of 64 fill subgroups.
//   compiled: navi31 12 VGPRs, 32 subgroups a SIMD, inverse throughput 165; mi200 12, 10
// On llvmpipe  what an early return leaves out is computed all the same, for nothing; a loop ends where no lane has a turn left.
//              Three windows of invocations that own four columns took four times as long.
// Cost         8 bytes an element of output, 4 a place and window.
// Next         first_layer_forward.wgsl, item_term_forward.wgsl, lstm_forward.wgsl
// Backward     embedding_gradient_rows.wgsl where places are events; distinct items have the gradient of output

const WORKGROUP = 64;
const N4 = 16u;        // columns / 4
const VECTORS = 16u;   // of four columns, that an invocation owns: a row of them, or 1
const BLOCKS = (N4 + VECTORS - 1u) / VECTORS;
const T = 3u;          // step.size[T] is the list's length
const FIRST = 0u;      // of the window
const ROWS = 1u;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> table: array<vec4f>;
@group(0) @binding(1) var<storage, read> list: array<u32>;
@group(0) @binding(2) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn table_rows(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size[T] * BLOCKS) { return; }
  let t = i / BLOCKS;
  let row = list[t] - FIRST;
  let first = VECTORS * (i % BLOCKS);
  let end = select(first, min(first + VECTORS, N4), row < ROWS);
  for (var c = first; c < end; c++) { output[t * N4 + c] = table[row * N4 + c]; }
}

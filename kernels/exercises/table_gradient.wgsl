// table_gradient.wgsl - exercise: a table's gradient, gathered by item   (read kernels/course/5-scatter.md)
//   source [E, N]   gradient of the row that event e looked up     output [D, N]   gradient per distinct item
//   sorted [R]      rows of the batch, by item           slot_first [D+1]   start of an item's rows in sorted
//   row [R]         w: the event to which this row's click was fed, or NONE
//   output_i = sum of source_e over the rows of item i with e = row.w other than NONE; 0 without such rows
//   Columns are padded to whole vectors of four with zeros: N = 4 N4.
//
// Your task    add up the item's events.
// Then         one item may have half of all rows: its invocations still run when the others have ended. Let
//              a workgroup own a vector of columns of an item ("// grid: 64 N4, D"); each invocation adds up
//              every 64th of its rows, then the results are added up. Which is faster at --size 2560x500x64
//              (E x D x N), which at --size 20000x5x64?
// Rules        kernels/README.md, "The exercises". Letters of the grid: E, D, N4.
// grid: N4, D

const WORKGROUP = 16;
const WORKGROUP_Y = 4;
const N4 = 16u;
const NONE = 0xffffffffu;  // set by the host

struct Step { size: vec4u }  // w: D

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> slot_first: array<u32>;
@group(0) @binding(2) var<storage, read> sorted: array<u32>;
@group(0) @binding(3) var<storage, read> row: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn table_gradient(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;  // index of a vector of four columns
  let i = id.y;
  if (column >= N4 || i >= step.size.w) { return; }
  var sum = vec4f(0.0);
  for (var k = slot_first[i]; k < slot_first[i + 1u]; k++) {
    sum += source[column];  // YOUR CODE: the vector of the row's event, if it was fed.
  }
  output[i * N4 + column] = sum;
}

// pw_history_gradient.wgsl - gradient of each click of pw_table_forward.wgsl, from the events after it
//   output_gradient [E, N]   coefficient as in pw_table_forward.wgsl
//   products from pw_table_backward.wgsl, sums from pw_table_weight_gradient.wgsl
//   output [E, n N]           row e, for the click of event e: sum over later events t within m lags of
//                             coefficient_t,lag,j output_gradient_t
//   output [E + 1, n N + n]   with TANH; the last n of a row are the sums of products[t, lag, 1, j], and row
//                             E starts with the sum of output_gradient over all events
//
// Rows of events without a fed item are not written: the sums by item do not read them. With BY_EVENT these
// rows are 0: output is then the gradient of the rows by event that pw_table_forward.wgsl read, and all rows
// are used.
//
// For          both kinds of adapter
// Grid         E (n / 4) (N / 4) invocations in workgroups of 64 (with TANH (E + 1) (n / 4) (N / 4 + 1)).
// Work split   one invocation owns four columns x four weightings of one click and loops forward over the
//              events: three vector loads for 32 flops. With TANH further invocations own the last n columns.
// On a GPU     (reasoned) neighbours own neighbouring columns: gradients are read coalesced, coefficients are
//              a broadcast. A gather by click needs no atomics, unlike a scatter by event. Workgroups of 64;
//              without a barrier a subgroup waits only for its own longest loop.
//   compiled: navi31 36 VGPRs, 32 subgroups per SIMD, 16 of 25 vector operations in its loop multiply-adds
// On llvmpipe  with TANH it takes a third longer
// Cost         2 m n N flops per event.
// Forward      pw_table_forward.wgsl      Next   pw_table_gradient.wgsl, pw_item_bias_gradient.wgsl

const WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const AT_ONCE = 1u;      // number of partial sums that are loaded at once; 8 on a GPU
const TANH = false;
const BY_EVENT = false;
const ACCUMULATE = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> coefficient: array<vec4f>;
@group(0) @binding(3) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read> products: array<vec4f>;
@group(0) @binding(5) var<storage, read> sums: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { output[at] += value; } else { output[at] = value; }
}

// Adds the partial sums from chunk `first` on, in order. All loads are issued before the first addition.
fn add_block(before: vec4f, first: u32, chunks: u32, column: u32) -> vec4f {
  var loaded: array<vec4f, AT_ONCE>;
  for (var k = 0u; k < AT_ONCE; k++) { loaded[k] = sums[min(first + k, chunks - 1u) * N4 + column]; }
  var sum = before;
  for (var k = 0u; k < AT_ONCE; k++) { sum += select(vec4f(0.0), loaded[k], first + k < chunks); }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn pw_history_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  const OWNERS = select(N4, N4 + 1u, TANH) * BLOCKS;
  const ROW = WEIGHTINGS * N4 + select(0u, BLOCKS, TANH);
  let i = id.x + id.y * (grid.x * WORKGROUP);
  let past = i / OWNERS;
  let column = (i % OWNERS) / BLOCKS;
  let block = i % BLOCKS;
  if (past >= step.size.y) {
    if (TANH && past == step.size.y && column < N4 && block == 0u) {
      var sum = vec4f(0.0);
      let chunks = step.chunks;
      for (var first = 0u; first < chunks; first += AT_ONCE) { sum = add_block(sum, first, chunks, column); }
      output[past * ROW + column] = sum;
    }
    return;
  }
  let fed = event[past].w != NONE;
  if (!fed && !BY_EVENT) { return; }
  let clicks = history[past].x;
  let end = select(0u, history[past].y, fed);
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var e = past + 1u; e < end; e++) {
    let lag = history[e].x - clicks - 1u;
    if (lag >= LAGS) { break; }
    if (TANH && column == N4) {
      s0 += products[((e * LAGS + lag) * 2u + 1u) * BLOCKS + block];
      continue;
    }
    var at = lag * BLOCKS + block;
    if (TANH) { at = (e * LAGS + lag) * 3u * BLOCKS + block; }
    let c = coefficient[at];
    let g = output_gradient[e * N4 + column];
    s0 += c.x * g;
    s1 += c.y * g;
    s2 += c.z * g;
    s3 += c.w * g;
  }
  if (TANH && column == N4) {
    output[past * ROW + WEIGHTINGS * N4 + block] = s0;
    return;
  }
  let j = 4u * block;
  let at = past * ROW + column;
  put(at + j * N4, s0);
  if (j + 1u < WEIGHTINGS) { put(at + (j + 1u) * N4, s1); }
  if (j + 2u < WEIGHTINGS) { put(at + (j + 2u) * N4, s2); }
  if (j + 3u < WEIGHTINGS) { put(at + (j + 3u) * N4, s3); }
}

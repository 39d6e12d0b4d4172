// pw_table_backward.wgsl - each event's and lag's part of the gradients of pw_table_forward.wgsl's weights
//   output_gradient [E, N]   table [I, n N]   products [E, m, n], with TANH [E, m, 2, n]
//   products_e,lag,j = output_gradient_e . table_k,j      k: the item at that lag before e
//   With BY_EVENT k is the event of that click, as in pw_table_forward.wgsl.
//   With TANH there are two products: 0, for the weights, times coefficient[e, lag, 1, j]; 1, for the item's
//     bias, times coefficient[e, lag, 2, j].
//
// Lags without a click of the user are not written. The kernel that sums over events knows each event's
// number of lags.
//
// For          both kinds of adapter      Grid   E (m / 4) (n / 4) invocations in workgroups of 64.
// Work split   one invocation owns a click, four weightings and four of the events after the click, and loops
//              over the columns: 8 vector loads for 128 flops (with one event: 5 for 32). If events without a
//              click follow, the click is within m lags of more than m events; an invocation then continues
//              with its next four events.
// On a GPU     (reasoned) neighbours own other events after the same click: they load the same rows of the
//              table, and gradients that are rows apart. Events without a fed item have idle invocations.
//              Workgroups of 64; without a barrier a subgroup waits only for its own longest loop.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD, 64 of 74 vector operations in its loop multiply-adds
// On llvmpipe  with TANH it takes more than a quarter longer
// Cost         2 m n N flops per event.
// Forward      pw_window.wgsl, pw_table_forward.wgsl      Next   pw_table_weight_gradient.wgsl

const WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const TANH = false;
const BY_EVENT = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const LAG_BLOCKS = (LAGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> table: array<vec4f>;
@group(0) @binding(3) var<storage, read> coefficient: array<vec4f>;
@group(0) @binding(4) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn of_table(at: u32, j: u32) -> vec4f {
  if (WEIGHTINGS % 4u != 0u && j >= WEIGHTINGS) { return vec4f(0.0); }
  return table[at + j * N4];
}

fn put(e: u32, lag: u32, block: u32, product: vec4f) {
  let at = e * LAGS + lag;
  if (TANH) {
    let c = at * 3u * BLOCKS + block;
    products[at * 2u * BLOCKS + block] = coefficient[c + BLOCKS] * product;
    products[at * 2u * BLOCKS + BLOCKS + block] = coefficient[c + 2u * BLOCKS] * product;
  } else {
    products[at * BLOCKS + block] = product;
  }
}

@compute @workgroup_size(WORKGROUP)
fn pw_table_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * LAG_BLOCKS * BLOCKS) { return; }
  let past = i / (LAG_BLOCKS * BLOCKS);
  let block = i % BLOCKS;
  let item = event[past].w;
  if (item == NONE) { return; }
  let clicks = history[past].x;
  let end = history[past].y;
  for (var e = past + 1u + 4u * ((i / BLOCKS) % LAG_BLOCKS); e < end; e += 4u * LAG_BLOCKS) {
    // The lag grows from event to event: if the first of four events is past the window, all are.
    let lag0 = history[e].x - clicks;
    if (lag0 > LAGS) { return; }
    let e1 = min(e + 1u, end - 1u);
    let e2 = min(e + 2u, end - 1u);
    let e3 = min(e + 3u, end - 1u);
    var p0 = vec4f(0.0);
    var p1 = vec4f(0.0);
    var p2 = vec4f(0.0);
    var p3 = vec4f(0.0);
    // The bound is N4, but the compiler must not know that: Tint would unroll it (1,500 instructions, 84
    // registers).
    for (var column = 0u; column < select(N4, 0u, step.size.y == 0u); column++) {
      let at = select(item, past, BY_EVENT) * WEIGHTINGS * N4 + column;
      let t = mat4x4f(
        of_table(at, 4u * block),
        of_table(at, 4u * block + 1u),
        of_table(at, 4u * block + 2u),
        of_table(at, 4u * block + 3u),
      );
      p0 += output_gradient[e * N4 + column] * t;
      p1 += output_gradient[e1 * N4 + column] * t;
      p2 += output_gradient[e2 * N4 + column] * t;
      p3 += output_gradient[e3 * N4 + column] * t;
    }
    put(e, lag0 - 1u, block, p0);
    let lag1 = history[e1].x - clicks;
    let lag2 = history[e2].x - clicks;
    let lag3 = history[e3].x - clicks;
    if (e + 1u < end && lag1 <= LAGS) { put(e1, lag1 - 1u, block, p1); }
    if (e + 2u < end && lag2 <= LAGS) { put(e2, lag2 - 1u, block, p2); }
    if (e + 3u < end && lag3 <= LAGS) { put(e3, lag3 - 1u, block, p3); }
  }
}

// pw_table_weight_gradient.wgsl - gradients of weights and bias of pw_table_forward.wgsl
//   products [E, m, n], with TANH the first of [E, m, 2, n]   output_gradient [E, N]
//   partials[chunk] = sum of products_e,lag,j over those events of a chunk with a click at that lag
//                     (weights), and of output_gradient_e over all events of the chunk (bias)
//   sums [chunks, N]  the sums of the bias for pw_history_gradient.wgsl: unlike partials they contain no sums
//                     of other ops
// For          both kinds of adapter
// Grid         chunks (m n / 4 + N / 4) invocations in workgroups of 8 (64 on a GPU).
// Work split   one invocation owns four sums of one chunk of events (first the weights, then the bias).
// On a GPU     (reasoned) as pw_state_weight_gradient.wgsl: coalesced, but few invocations with long sums.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD (of 8 invocations: 24, 16); mi200 16, 10 (12, 10)
// Cost         1 flop and 4 bytes per element.
// Forward      pw_table_forward.wgsl      Next   pw_history_gradient.wgsl, adam.wgsl

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const TANH = false;
const ACCUMULATE = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

// Offsets in partials, in floats.
struct Places {
  chunk: u32,    // floats per chunk
  weights: u32,  // offset of the weights' sums within a chunk
  unread: u32,   // a field that this kernel does not read
  bias: u32,     // offset of the bias's sum within a chunk
}

@group(0) @binding(0) var<storage, read> history: array<vec2u>;
@group(0) @binding(1) var<storage, read> products: array<vec4f>;
@group(0) @binding(2) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(5) var<uniform> places: Places;
@group(0) @binding(6) var<uniform> step: Step;

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { partials[at] += value; } else { partials[at] = value; }
}

@compute @workgroup_size(WORKGROUP)
fn pw_table_weight_gradient(@builtin(global_invocation_id) id: vec3u) {
  const PARTS = select(1u, 2u, TANH);
  const COLUMNS = LAGS * BLOCKS + N4;
  let chunk = id.x / COLUMNS;
  if (chunk >= step.chunks) { return; }
  let own = id.x % COLUMNS;
  let events = step.size.y;
  let stretch = (events + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, events);
  let end = min(first + stretch, events);
  var sum = vec4f(0.0);
  if (own < LAGS * BLOCKS) {
    let lag = own / BLOCKS;
    let at = lag * PARTS * BLOCKS + own % BLOCKS;
    for (var e = first; e < end; e++) {
      if (history[e].x > lag) { sum += products[e * LAGS * PARTS * BLOCKS + at]; }
    }
    put(chunk * (places.chunk / 4u) + places.weights / 4u + own, sum);
    return;
  }
  let column = own - LAGS * BLOCKS;
  for (var e = first; e < end; e++) { sum += output_gradient[e * N4 + column]; }
  put(chunk * (places.chunk / 4u) + places.bias / 4u + column, sum);
  sums[chunk * N4 + column] = sum;
}

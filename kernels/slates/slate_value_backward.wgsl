// slate_value_backward.wgsl - the gradients of the values of given slates
//   q_gradient [R, .]   hidden [R, k, L]   weights: all of the network
//   d_rj = q_gradient_rj weights_j if hidden_rj > 0, else 0: the gradient of ReLU's argument
//   base_gradient: d_rj of position j, without CASCADE the sum over j  values_gradient: q_gradient, as values
//   parts: per slot m a block [R, width] of gradients for the slot's item: d_rm for its own part; with
//     CASCADE, then d_rj for each later position j. A block has room for MOST rows
//   partials[chunk] = sums over a chunk's rows of q_gradient_rj hidden_rj (weights)
// For          both kinds of adapter      Grid   L / 4 x chunks invocations in workgroups of 64.
// Work split   one invocation owns four units of one chunk of rows (x: units, y: chunks), one position after
//              another.
// On a GPU     (reasoned) few invocations with long loops, as in batch_norm_statistics.wgsl. There are few
//              workgroups of 64, so most cores stay idle: latency is the limit.
// Cost         6 R k L flops, 4 R k L (2 + (k + 1) / 2) bytes.
// Accuracy     one rounding of the running sum per row      Forward   slate_value_forward.wgsl

const WORKGROUP = 64;
const M = 1u;             // step.size[M] is the number of rows
const L4 = 16u;           // hidden units / 4: L
const SLATE = 3u;         // k
const MOST = 64u;         // rows of the largest batch
const Q_STRIDE = 4u;
const VALUE_STRIDE = 4u;
const OUTPUT4 = 0u;       // offset of the first position's weights among all
const CASCADE = true;     // each position has a base and weights; later positions get the chosen item's part
const ZERO = false;       // values also has the value without a click, after the positions

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

struct Places { chunk: u32, weights: u32 }

@group(0) @binding(0) var<storage, read> q_gradient: array<f32>;
@group(0) @binding(1) var<storage, read> hidden: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> base_gradient: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> values_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> parts: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> partials: array<f32>;
@group(0) @binding(7) var<uniform> places: Places;
@group(0) @binding(8) var<uniform> step: Step;

fn put(at: u32, x: vec4f) {
  partials[at] = x.x;
  partials[at + 1u] = x.y;
  partials[at + 2u] = x.z;
  partials[at + 3u] = x.w;
}

// Returns the number of vectors of a row of slot m. before4: of all slots before slot m.
fn width4(m: u32) -> u32 {
  if (!CASCADE) { return L4; }
  return (SLATE - m) * L4;
}
fn before4(m: u32) -> u32 {
  if (!CASCADE) { return m * L4; }
  return (m * SLATE - m * (m - min(m, 1u)) / 2u) * L4;
}

fn to_parts(row: u32, j: u32, v: u32, d: vec4f) {
  parts[MOST * before4(j) + row * width4(j) + v] = d;
  if (!CASCADE) { return; }
  for (var m = 0u; m < j; m++) { parts[MOST * before4(m) + row * width4(m) + (j - m) * L4 + v] = d; }
}

// Writes the gradient of the part that depends on the state alone.
fn to_values(row: u32) {
  let source = row * Q_STRIDE;
  let to = row * VALUE_STRIDE;
  var sum = 0.0;
  for (var c = 0u; c < VALUE_STRIDE; c++) { values_gradient[to + c] = 0.0; }
  for (var j = 0u; j < SLATE; j++) {
    if (CASCADE) { values_gradient[to + j] = q_gradient[source + j]; }
    sum += q_gradient[source + j];
  }
  if (!CASCADE) { values_gradient[to] = sum; }
  if (ZERO) { values_gradient[to + 1u] = q_gradient[source + SLATE]; }
}

@compute @workgroup_size(WORKGROUP)
fn slate_value_backward(@builtin(global_invocation_id) id: vec3u) {
  let v = id.x;
  let rows = step.size[M];
  if (v >= L4 || id.y >= step.chunks) { return; }
  let each = (rows + step.chunks - 1u) / step.chunks;
  let first = min(id.y * each, rows);
  let end = min(first + each, rows);
  let chunk = id.y * places.chunk + 4u * v;
  var shared_sum = vec4f(0.0);
  for (var j = 0u; j < SLATE; j++) {
    let own = select(0u, j * L4, CASCADE);
    let w = weights[OUTPUT4 + own + v];
    var weight_sum = vec4f(0.0);
    for (var row = first; row < end; row++) {
      let dq = q_gradient[row * Q_STRIDE + j];
      let h = hidden[(row * SLATE + j) * L4 + v];
      let d = select(vec4f(0.0), dq * w, h > vec4f(0.0));
      weight_sum += dq * h;
      if (CASCADE) {
        base_gradient[(row * SLATE + j) * L4 + v] = d;
      } else {
        let before = select(base_gradient[row * L4 + v], vec4f(0.0), j == 0u);
        base_gradient[row * L4 + v] = before + d;
      }
      to_parts(row, j, v, d);
      if (v == 0u && j == 0u) { to_values(row); }
    }
    shared_sum += weight_sum;
    if (CASCADE) { put(chunk + places.weights + 4u * own, weight_sum); }
  }
  if (!CASCADE) { put(chunk + places.weights, shared_sum); }
}

// pw_window.wgsl - with tanh: the effect of each of the last m clicks, and the sum without clicks
//   weights [m, n]  item_bias [I, n]  bias [N]  sums [chunks, N] of pw_base.wgsl   base [N] = bias + all sums
//   coefficient [E, m, 3, n], for the item k at a lag before an event; w = sum of the weights of all lags
//     with item k, t = tanh(item_bias_k), y = tanh(item_bias_k + w):
//     0: y - t, the item's effect on the state     1: 1 - y^2, its derivative by the weights
//     2: (1 - y^2) - (1 - t^2), its derivative by item_bias, in addition to that of base
//   An item at several lags counts once: 0 and 2 are 0 at all of the item's lags except the most recent.
//
// Lags without a click of the user are not written, as no kernel reads them. LISTS: see
// pw_state_forward.wgsl.
//
// For          both kinds of adapter      Grid   E m n / 4 invocations in workgroups of 64 (at least N / 4).
// Work split   one invocation owns one lag of one event and four weightings. It loops back to the lag's item,
//              then over the window again. The first N / 4 invocations also add up base, which saves a
//              dispatch.
// On a GPU     (reasoned) neighbours own other lags of the same event, so they read the same events: a
//              broadcast, and the second loop reads from cache. Finding repeated items takes m^2 comparisons
//              per event; a list of items would need an array that does not stay in registers. Workgroups of
//              64; without a barrier a subgroup waits only for its own longest loop.
// Cost         2 m indices read and 2 n hyperbolic tangents per lag.
// Backward     pw_table_backward.wgsl, pw_item_bias_gradient.wgsl      Next   pw_table_forward.wgsl

const WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const CHUNKS = 1u;
const LISTS = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> item_bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> sums: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> base: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> coefficient: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

// NaN and infinity are passed on, detected by exponent bits: clamp and tanh may make them ordinary numbers.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// tanh. Near 0 a polynomial (from Cephes' tanhf): drivers subtract exponentials, an error of 6e-8 for any x.
// Weights of positions start at 0.0001, where 6e-8 is one part in a thousand.
fn squash(x: vec4f) -> vec4f {
  let z = x * x;
  let series = -0.333332819422 + z * (0.133314422036 + z * (-0.0537397155531 + z * (0.0206390887954 - 0.00570498872745 * z)));
  let far = tanh(clamp(x, vec4f(-15.0), vec4f(15.0)));
  return select(select(far, x + x * z * series, abs(x) < vec4f(0.625)), x, broken(x));
}

@compute @workgroup_size(WORKGROUP)
fn pw_window(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i < N4) {
    var sum = bias[i];
    for (var chunk = 0u; chunk < CHUNKS; chunk++) { sum += sums[chunk * N4 + i]; }
    base[i] = sum;
  }
  if (i >= step.size.y * LAGS * BLOCKS) { return; }
  let e = i / (LAGS * BLOCKS);
  let own = (i / BLOCKS) % LAGS;
  let block = i % BLOCKS;
  let lags = min(history[e].x, LAGS);
  if (own >= lags) { return; }
  var item = NONE;
  let behind = select(e, history[e].y, LISTS);
  var past = behind;
  for (var lag = 0u; lag <= own;) {
    past--;
    item = event[past].w;
    if (item != NONE) { lag++; }
  }
  var w = vec4f(0.0);
  var repeated = false;
  past = behind;
  for (var lag = 0u; lag < lags;) {
    past--;
    let other = event[past].w;
    if (other == NONE) { continue; }
    if (other == item) {
      w += weights[lag * BLOCKS + block];
      repeated = repeated || lag < own;
    }
    lag++;
  }
  let b = item_bias[item * BLOCKS + block];
  let t = squash(b);
  let y = squash(b + w);
  let at = (e * LAGS + own) * 3u * BLOCKS + block;
  coefficient[at] = select(y - t, vec4f(0.0), repeated);
  coefficient[at + BLOCKS] = 1.0 - y * y;
  coefficient[at + 2u * BLOCKS] = select(t * t - y * y, vec4f(0.0), repeated);
}

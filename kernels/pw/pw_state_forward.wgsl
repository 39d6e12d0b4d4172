// pw_state_forward.wgsl - the last m clicks before every event under n learned weightings, dense features
//   features [I, F]   weights [m, n], row 0 for the most recent click   bias [F n]   state [E, F n]
//   state_e,kn+j = sigma(sum over lags l = 1..m of weights[l-1, j] features[item at lag l, k] + bias_kn+j)
//
// With TANH sigma is tanh; otherwise there is neither sigma nor bias. A lag without a click of the user adds
// nothing. The last m clicks are found by a loop from the event back over the fed events: there is no matrix
// of lags. With LISTS, for users with a state that is carried from page to page, event is a list of each
// user's clicks, and the loop goes back over that list from history[e].y.
//
// For          both kinds of adapter      Grid   E F / 4 invocations in workgroups of 64.
// Work split   one invocation owns four features under all weightings of one event: 4 n columns, n whole
//              vectors of the output for every n. Four weightings are a matrix in registers: a lag takes a
//              vector of features, a vector of weights and an index for 32 flops.
// On a GPU     (reasoned) neighbours own neighbouring features of one event: features are read coalesced;
//              events and weights are broadcasts. Loops end after m clicks, and sooner at a user's first
//              events. The n vectors that an invocation stores are contiguous, so neighbours store n vectors
//              apart. Workgroups of 64; without a barrier a subgroup waits only for its own longest loop.
//   compiled: navi31 36 VGPRs, 32 subgroups per SIMD, 16 of 24 vector operations in its loop multiply-adds
// On llvmpipe  the stores take an eighth of the time; with TANH it takes a quarter longer
// Cost         2 m F n flops, 4 (m F + F n) bytes per event, features from cache.
// Backward     pw_state_backward.wgsl

const WORKGROUP = 64;
const F4 = 4u;           // features / 4, rounded up
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const COLUMNS4 = 16u;    // F n / 4, rounded up
const TANH = false;
const LISTS = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> features: array<vec4f>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_features(i: u32) -> vec4f { return features[i]; }

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
fn pw_state_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * F4) { return; }
  let e = i / F4;
  let k4 = i % F4;
  let lags = min(history[e].x, LAGS);
  // Each matrix has a column per feature and a row per weighting. Padded features and weightings give zeros.
  var sums: array<mat4x4f, BLOCKS>;
  for (var block = 0u; block < BLOCKS; block++) {
    var sum = mat4x4f();
    var past = select(e, history[e].y, LISTS);
    for (var lag = 0u; lag < lags;) {
      past--;
      let item = event[past].w;
      if (item == NONE) { continue; }
      let f = load_features(item * F4 + k4);
      let w = weights[lag * BLOCKS + block];
      sum += mat4x4f(f.x * w, f.y * w, f.z * w, f.w * w);
      lag++;
    }
    sums[block] = sum;
  }
  for (var v = 0u; v < WEIGHTINGS; v++) {
    let column = k4 * WEIGHTINGS + v;
    if (column >= COLUMNS4) { return; }
    var z: vec4f;
    if (WEIGHTINGS % 4u == 0u) {
      z = sums[v % BLOCKS][v / BLOCKS];
    } else {
      for (var c = 0u; c < 4u; c++) {
        let j = (4u * v + c) % WEIGHTINGS;
        z[c] = sums[j / 4u][(4u * v + c) / WEIGHTINGS][j % 4u];
      }
    }
    if (TANH) { z = squash(z + bias[column]); }
    state[e * COLUMNS4 + column] = z;
  }
}

// pw_state_backward.wgsl - each event's part of the gradient of the weights of pw_state_forward.wgsl
//   output_gradient, state [E, F n]   features [I, F]   products [E, m, n]
// products_e,lag,j = sum over k of dz_e,kn+j features[item at that lag before e, k]
//   dz = output_gradient (1 - state^2) with TANH, otherwise output_gradient
//
// Lags without a click of the user are not written. The kernel that sums over events knows each event's
// number of lags.
//
// For          both kinds of adapter      Grid   E (m / 4) (n / 4) invocations in workgroups of 64.
// Work split   one invocation owns four lags x four weightings of one event and loops over the features: 8
//              vector loads for 128 flops (with one lag: 5 for 32).
// On a GPU     (reasoned) neighbours own other lags of the same event: they share the loads of
//              output_gradient, and read the features of other items, a cache line each. With m = 20 and n =
//              4 an event has only five invocations, so a GPU needs many events. Workgroups of 64; without a
//              barrier a subgroup waits only for its own longest loop.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD, 64 of 96 vector operations in its loop multiply-adds
// On llvmpipe  with TANH it takes a quarter longer
// Cost         2 m F n flops, 4 (m F + m F n / 4 + m n) bytes per event.
// Forward      pw_state_forward.wgsl      Next   pw_state_weight_gradient.wgsl

const WORKGROUP = 64;
const F = 16u;           // features
const F4 = 4u;           // features / 4, rounded up
const LAGS = 20u;        // m
const WEIGHTINGS = 4u;   // n
const COLUMNS4 = 16u;    // F n / 4, rounded up
const TANH = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const LAG_BLOCKS = (LAGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> features: array<vec4f>;
@group(0) @binding(3) var<storage, read> state: array<vec4f>;
@group(0) @binding(4) var<storage, read> output_gradient: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> products: array<vec4f>;
@group(0) @binding(6) var<uniform> step: Step;

fn load_features(i: u32) -> vec4f { return features[i]; }

fn one(e: u32, k: u32, j: u32) -> f32 {
  if (j >= WEIGHTINGS) { return 0.0; }
  let column = k * WEIGHTINGS + j;
  let at = e * COLUMNS4 + column / 4u;
  let g = output_gradient[at][column % 4u];
  if (!TANH) { return g; }
  let s = state[at][column % 4u];
  return g * (1.0 - s * s);
}

// Returns dz of feature k, weightings j .. j+3: if n is a multiple of 4, one vector in memory.
fn into_sigma(e: u32, k: u32, j: u32) -> vec4f {
  if (k >= F) { return vec4f(0.0); }
  if (WEIGHTINGS % 4u != 0u) { return vec4f(one(e, k, j), one(e, k, j + 1u), one(e, k, j + 2u), one(e, k, j + 3u)); }
  let at = e * COLUMNS4 + k * (WEIGHTINGS / 4u) + j / 4u;
  let g = output_gradient[at];
  if (!TANH) { return g; }
  let s = state[at];
  return g * (1.0 - s * s);
}

@compute @workgroup_size(WORKGROUP)
fn pw_state_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * LAG_BLOCKS * BLOCKS) { return; }
  let e = i / (LAG_BLOCKS * BLOCKS);
  let first = 4u * ((i / BLOCKS) % LAG_BLOCKS);
  let block = i % BLOCKS;
  let lags = min(history[e].x, LAGS);
  if (first >= lags) { return; }
  let count = min(lags - first, 4u);
  // Lags beyond the history repeat an item; their results are not written.
  var items = vec4u(0u);
  var past = e;
  for (var lag = 0u; lag < first + count;) {
    past--;
    let item = event[past].w;
    if (item == NONE) { continue; }
    items = select(items, vec4u(item), vec4u(0u, 1u, 2u, 3u) + vec4u(first) >= vec4u(lag));
    lag++;
  }
  var d0 = vec4f(0.0);
  var d1 = vec4f(0.0);
  var d2 = vec4f(0.0);
  var d3 = vec4f(0.0);
  for (var k4 = 0u; k4 < F4; k4++) {
    let k = 4u * k4;
    let dz = mat4x4f(
      into_sigma(e, k, 4u * block),
      into_sigma(e, k + 1u, 4u * block),
      into_sigma(e, k + 2u, 4u * block),
      into_sigma(e, k + 3u, 4u * block),
    );
    d0 += dz * load_features(items.x * F4 + k4);
    d1 += dz * load_features(items.y * F4 + k4);
    d2 += dz * load_features(items.z * F4 + k4);
    d3 += dz * load_features(items.w * F4 + k4);
  }
  let at = (e * LAGS + first) * BLOCKS + block;
  products[at] = d0;
  if (count > 1u) { products[at + BLOCKS] = d1; }
  if (count > 2u) { products[at + 2u * BLOCKS] = d2; }
  if (count > 3u) { products[at + 3u * BLOCKS] = d3; }
}

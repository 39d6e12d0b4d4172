// pw_base.wgsl - the first layer's part for a state without clicks, with tanh: a sum over the whole catalogue
//   table [I, n N]   item_bias [I, n]   sums [chunks, N]
//   sums[chunk] = sum over the items k of a chunk, over j, of tanh(item_bias_kj) table_k,j      partial sums
//
// With one-hot features and tanh an event's state is dense: an item that was not among the last clicks has
// tanh(item_bias), not 0. The sum over the whole catalogue is the same for all events. An event only changes
// the items of its window, the last m clicks.
//
// For          both kinds of adapter      Grid   chunks N / 4 invocations in workgroups of 8 (64 on a GPU).
// Work split   one invocation owns four columns of one chunk (here a part of the catalogue's items).
// On a GPU     (reasoned) neighbours own neighbouring columns: coalesced. Up to 64 chunks keep an adapter
//              busy, and are few enough for one invocation of pw_window.wgsl, which adds up the sums.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (of 8 invocations: 72, 16); mi200 48, 5 (48, 5)
// Cost         2 I n N flops, 4 I n N bytes.
// Backward     pw_table_gradient.wgsl, pw_item_bias_gradient.wgsl      Next   pw_window.wgsl

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const WEIGHTINGS = 4u;   // n
const ITEMS = 1u;        // I
const CHUNKS = 1u;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;

struct Step { size: vec4u }  // the step header, which every kernel binds last; not used here

@group(0) @binding(0) var<storage, read> table: array<vec4f>;
@group(0) @binding(1) var<storage, read> item_bias: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(3) var<uniform> step: Step;

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

// Returns up to four weightings of a row of the table, each times its coefficient.
fn weighted(at: u32, block: u32, c: vec4f) -> vec4f {
  let j = 4u * block;
  var sum = c.x * table[at + j * N4];
  if (j + 1u < WEIGHTINGS) { sum += c.y * table[at + (j + 1u) * N4]; }
  if (j + 2u < WEIGHTINGS) { sum += c.z * table[at + (j + 2u) * N4]; }
  if (j + 3u < WEIGHTINGS) { sum += c.w * table[at + (j + 3u) * N4]; }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn pw_base(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x % N4;
  let chunk = id.x / N4;
  if (chunk >= CHUNKS) { return; }
  const STRETCH = (ITEMS + CHUNKS - 1u) / CHUNKS;
  let first = min(chunk * STRETCH, ITEMS);
  let end = min(first + STRETCH, ITEMS);
  var sum = vec4f(0.0);
  for (var item = first; item < end; item++) {
    for (var block = 0u; block < BLOCKS; block++) {
      sum += weighted(item * WEIGHTINGS * N4 + column, block, squash(item_bias[item * BLOCKS + block]));
    }
  }
  sums[chunk * N4 + column] = sum;
}

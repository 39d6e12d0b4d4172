// pw_table_gradient.wgsl - gradient of the table of pw_table_forward.wgsl
//   source [E, n N] (TANH: [E + 1, n N + n]) of pw_history_gradient.wgsl  item_bias [I, n]  output [I, n N]
//   output_k,j = sum of source over the batch's clicks on item k
//                + with TANH tanh(item_bias_kj) (sum of output_gradient over all events)
//
// The second term comes from pw_base.wgsl: with tanh every item of the catalogue contributes to every event.
// Otherwise an item without clicks has gradient 0: Adam still moves it by its moments.
//
// For          both kinds of adapter      Grid   I (n / 4) (N / 4) invocations in workgroups of 64.
// Work split   one invocation owns four columns of one item under four weightings. So the rows that display
//              the item, few of which are clicks, are read once for the four weightings;
//              embedding_gradient.wgsl reads them for each.
// On a GPU     (reasoned) neighbours own neighbouring columns: reads and writes are coalesced, and the item's
//              rows are a broadcast. The whole table is written, so memory is the limit for large catalogues.
//              Workgroups of 64; registers limit occupancy.
// On llvmpipe  embedding_gradient.wgsl takes three times as long
// Cost         1 flop and 4 bytes per element of the table, two indices per row and N columns.
// Forward      pw_base.wgsl, pw_table_forward.wgsl

const WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const WEIGHTINGS = 4u;   // n
const ITEMS = 1u;        // I
const TANH = false;
const ACCUMULATE = false;
const BLOCKS = (WEIGHTINGS + 3u) / 4u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> source: array<vec4f>;
@group(0) @binding(1) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(2) var<storage, read> slot_first: array<u32>;
@group(0) @binding(3) var<storage, read> sorted: array<u32>;
@group(0) @binding(4) var<storage, read> row: array<vec4u>;
@group(0) @binding(5) var<storage, read> item_bias: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

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

fn put(at: u32, value: vec4f) {
  if (ACCUMULATE) { output[at] += value; } else { output[at] = value; }
}

@compute @workgroup_size(WORKGROUP)
fn pw_table_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  const ROW = WEIGHTINGS * N4 + select(0u, BLOCKS, TANH);
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= ITEMS * BLOCKS * N4) { return; }
  let item = i / (BLOCKS * N4);
  let block = (i / N4) % BLOCKS;
  let column = i % N4;
  let j = 4u * block;
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  if (TANH) {
    let total = source[step.size.y * ROW + column];
    let t = squash(item_bias[item * BLOCKS + block]);
    s0 = t.x * total;
    s1 = t.y * total;
    s2 = t.z * total;
    s3 = t.w * total;
  }
  let entry = ranked[item >> 5u];
  let bit = 1u << (item & 31u);
  if ((entry.x & bit) != 0u) {
    let slot = entry.y + countOneBits(entry.x & (bit - 1u));
    let end = slot_first[slot + 1u];
    for (var k = slot_first[slot]; k < end; k++) {
      let e = row[sorted[k]].w;
      if (e == NONE) { continue; }
      let at = e * ROW + j * N4 + column;
      s0 += source[at];
      if (j + 1u < WEIGHTINGS) { s1 += source[at + N4]; }
      if (j + 2u < WEIGHTINGS) { s2 += source[at + 2u * N4]; }
      if (j + 3u < WEIGHTINGS) { s3 += source[at + 3u * N4]; }
    }
  }
  let at = (item * WEIGHTINGS + j) * N4 + column;
  put(at, s0);
  if (j + 1u < WEIGHTINGS) { put(at + N4, s1); }
  if (j + 2u < WEIGHTINGS) { put(at + 2u * N4, s2); }
  if (j + 3u < WEIGHTINGS) { put(at + 3u * N4, s3); }
}

// pw_item_bias_gradient.wgsl - gradient of the item's bias, the bias in the tanh of pw_window.wgsl
//   source [E + 1, n N + n] of pw_history_gradient.wgsl   table [I, n N]   item_bias, output [I, n]
//   output_kj = sum of source over the batch's clicks on item k (the last n of a row)
//               + (1 - tanh^2(item_bias_kj)) (total of output_gradient) . table_k,j
//
// The second term comes from pw_base.wgsl: every item of the catalogue contributes to every event.
//
// For          both kinds of adapter      Grid   I n / 4 invocations in workgroups of 64.
// Work split   one invocation owns four weightings of one item and loops over the columns.
// On a GPU     (reasoned) with n = 4 neighbours own neighbouring items, whose rows are n N floats apart: not
//              coalesced, but the next loads use the rest of each cache line. A subgroup per item would
//              coalesce. Workgroups of 64; without a barrier a subgroup waits only for its own longest loop.
// Cost         2 n N flops, 4 n N bytes per item.
// Forward      pw_base.wgsl, pw_window.wgsl, pw_table_forward.wgsl

const WORKGROUP = 64;
const N4 = 16u;          // columns / 4
const WEIGHTINGS = 4u;   // n
const ITEMS = 1u;        // I
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
@group(0) @binding(6) var<storage, read> table: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> output: array<vec4f>;
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

fn of_table(at: u32, j: u32) -> vec4f {
  if (WEIGHTINGS % 4u != 0u && j >= WEIGHTINGS) { return vec4f(0.0); }
  return table[at + j * N4];
}

@compute @workgroup_size(WORKGROUP)
fn pw_item_bias_gradient(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  const ROW = WEIGHTINGS * N4 + BLOCKS;
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= ITEMS * BLOCKS) { return; }
  let item = i / BLOCKS;
  let block = i % BLOCKS;
  var sum = vec4f(0.0);
  for (var column = 0u; column < N4; column++) {
    let at = item * WEIGHTINGS * N4 + column;
    sum += source[step.size.y * ROW + column] * mat4x4f(
      of_table(at, 4u * block),
      of_table(at, 4u * block + 1u),
      of_table(at, 4u * block + 2u),
      of_table(at, 4u * block + 3u),
    );
  }
  let t = squash(item_bias[i]);
  sum *= 1.0 - t * t;
  let entry = ranked[item >> 5u];
  let bit = 1u << (item & 31u);
  if ((entry.x & bit) != 0u) {
    let slot = entry.y + countOneBits(entry.x & (bit - 1u));
    let end = slot_first[slot + 1u];
    for (var k = slot_first[slot]; k < end; k++) {
      let e = row[sorted[k]].w;
      if (e != NONE) { sum += source[e * ROW + WEIGHTINGS * N4 + block]; }
    }
  }
  if (ACCUMULATE) { sum += output[i]; }
  output[i] = sum;
}

// first_layer_forward.wgsl - the first hidden layer per row: an item part plus an event part
//   item   [., N]  W1f f, one row per distinct item (one-hot: the table itself); a row r is a displayed item
//   state  [E, N]  W1s s + b, one row per event
//   counts [R, C]  with C4: counts of the row;   count_kernel [C, N]  W1c
//   output [R, N]  ELU(item[row_item[r]] + state[event of r] + W1c counts[r]); an event's rows are neighbours
//   with S4  state is b [N], counts is the encoder's state of the event, s [E, S], count_kernel is W1s [S, N]
//
// W1 [s; f] = W1s s + W1f f. So the products are computed once per event and once per distinct item, and a
// row only adds two vectors.
//
// Item dropout: in training a row hides its item with a given probability, like an unknown item. The other
// rows scale the item's part, so that the mean is unchanged. The row's index and the step's noise decide
// which rows hide their item: nothing is stored, and first_layer_backward.wgsl decides in the same way.
// Dropout reduces the overfitting of item ids.
//
// For          both kinds of adapter      Grid   E N / 16 invocations in workgroups of 64 (E N / 4 on a GPU).
// Work split   one invocation owns 16 columns (4 on a GPU) of one event. It reads the event's part once and
//              loops over the event's rows.
// On a GPU     (reasoned) sixteen neighbours own the 64 columns of a row: loads of 16 bytes, coalesced. With
//              S4, for up to 32 units, W1s s + b is computed here: one launch less, and [E, N] is neither
//              written nor read. s is a broadcast. Workgroups of 64; without a barrier a subgroup waits only
//              for its own longest event.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD (16 columns per invocation, W1s s + b apart: 48, 32);
//              mi200 36, 7 (40, 6)
// On llvmpipe  compared with sixteen columns of an event per invocation: one row and four columns take twice
//              as long, as every vector that is read is expensive (bench/ladder.md); four columns of an event
//              take two fifths longer, eight a tenth, as the loop and the row's item serve fewer vectors.
//   counts     their product is computed here, and the invocation keeps the weights of 16 columns. A
//              separate dispatch would write and read back [R, N]: a training step on workload W1 takes 1 ms
//              more, of 38 ms. With weights in workgroup memory (an event per invocation, a block of columns
//              per workgroup) this kernel takes two thirds longer.
// Cost         2 + 2 C flops and an exponential, 4 bytes per element, 4 per element of item and of state, 4 C
//              per row.
// Backward     first_layer_backward.wgsl

const WORKGROUP = 64;
const N4 = 16u;  // columns / 4
const VECTORS = 4u;  // number of vectors of four columns per invocation: 4 or 1
const BLOCKS = (N4 + VECTORS - 1u) / VECTORS;
const S4 = 0u;  // columns / 4 of the state if its product is computed here; otherwise, and with counts, 0
const C4 = 0u;  // columns / 4 of the counts and context features; 0 without them
const HELD = min(C4, 4u);  // columns / 4 whose weights the invocation keeps
const KEPT = 4294967295u;  // a row keeps its item if the row's noise is at most KEPT
const KEPT_SCALE = 1.0;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(24) unread: u32,  // fields that this kernel does not read
  noise: u32,             // seed of the step's random numbers
}

@group(0) @binding(0) var<storage, read> item: array<vec4f>;
@group(0) @binding(1) var<storage, read> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> event: array<vec4u>;
@group(0) @binding(3) var<storage, read> row_item: array<u32>;
@group(0) @binding(4) var<storage, read> counts: array<vec4f>;
@group(0) @binding(5) var<storage, read> count_kernel: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> output: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn store_output(i: u32, value: vec4f) { output[i] = value; }

// NaN and infinity are passed on, detected by exponent bits: min and exp may make ordinary numbers of them.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

fn elu(z: vec4f) -> vec4f { return select(exp(min(z, vec4f(0.0))) - 1.0, z, (z > vec4f(0.0)) | broken(z)); }

// A random number for row r in this step: the output function of a permuted congruential generator (PCG).
fn noise(r: u32) -> u32 {
  let state = (r ^ step.noise) * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}

// Sixteen columns of count_kernel, row k at 4k, for its first 16 rows. More rows would not fit in registers.
var<private> held: array<vec4f, 16u * max(HELD, 1u)>;

// Returns the state's part of four columns of an event.
fn state_part(e: u32, column: u32) -> vec4f {
  let own = min(column, N4 - 1u);
  if (S4 == 0u) { return state[e * N4 + own]; }
  var sum = state[own];
  for (var k = 0u; k < S4; k++) {
    let s = counts[e * S4 + k];
    let at = 4u * k * N4 + own;
    sum = fma(vec4f(s.x), count_kernel[at], sum);
    sum = fma(vec4f(s.y), count_kernel[at + N4], sum);
    sum = fma(vec4f(s.z), count_kernel[at + 2u * N4], sum);
    sum = fma(vec4f(s.w), count_kernel[at + 3u * N4], sum);
  }
  return sum;
}

struct Sums { c0: vec4f, c1: vec4f, c2: vec4f, c3: vec4f }

// Adds the products of four more counts, columns 4k .. 4k+3 of the row.
fn add(s: Sums, a: vec4f, k: u32) -> Sums {
  let p = 16u * k;
  return Sums(
    fma(vec4f(a.w), held[p + 12u], fma(vec4f(a.z), held[p + 8u], fma(vec4f(a.y), held[p + 4u], fma(vec4f(a.x), held[p], s.c0)))),
    fma(vec4f(a.w), held[p + 13u], fma(vec4f(a.z), held[p + 9u], fma(vec4f(a.y), held[p + 5u], fma(vec4f(a.x), held[p + 1u], s.c1)))),
    fma(vec4f(a.w), held[p + 14u], fma(vec4f(a.z), held[p + 10u], fma(vec4f(a.y), held[p + 6u], fma(vec4f(a.x), held[p + 2u], s.c2)))),
    fma(vec4f(a.w), held[p + 15u], fma(vec4f(a.z), held[p + 11u], fma(vec4f(a.y), held[p + 7u], fma(vec4f(a.x), held[p + 3u], s.c3)))),
  );
}

@compute @workgroup_size(WORKGROUP)
fn first_layer_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= step.size.y * BLOCKS) { return; }
  let e = i / BLOCKS;
  let column = VECTORS * (i % BLOCKS);
  let of_event = event[e];
  let k0 = state_part(e, column);
  let k1 = state_part(e, column + 1u);
  let k2 = state_part(e, column + 2u);
  let k3 = state_part(e, column + 3u);
  for (var i = 0u; i < 16u * HELD; i++) {
    held[i] = count_kernel[(i / 4u) * N4 + min(column + i % 4u, N4 - 1u)];
  }
  for (var r = of_event.x; r < of_event.y; r++) {
    var z0 = k0;
    var z1 = k1;
    var z2 = k2;
    var z3 = k3;
    if (KEPT == 4294967295u || noise(r) <= KEPT) {
      let shown = row_item[r] * N4 + column;
      z0 += KEPT_SCALE * item[shown];
      if (VECTORS > 1u && column + 1u < N4) { z1 += KEPT_SCALE * item[shown + 1u]; }
      if (VECTORS > 1u && column + 2u < N4) { z2 += KEPT_SCALE * item[shown + 2u]; }
      if (VECTORS > 1u && column + 3u < N4) { z3 += KEPT_SCALE * item[shown + 3u]; }
    }
    let to = r * N4 + column;
    if (C4 > 0u) {
      var sums = add(Sums(), counts[r * C4], 0u);
      if (C4 > 1u) { sums = add(sums, counts[r * C4 + 1u], 1u); }
      if (C4 > 2u) { sums = add(sums, counts[r * C4 + 2u], 2u); }
      if (C4 > 3u) { sums = add(sums, counts[r * C4 + 3u], 3u); }
      z0 += sums.c0;
      z1 += sums.c1;
      z2 += sums.c2;
      z3 += sums.c3;
    }
    for (var k = 16u; k < 4u * C4; k++) {
      let value = counts[r * C4 + k / 4u][k % 4u];
      let at = k * N4;
      z0 = fma(vec4f(value), count_kernel[at + column], z0);
      if (VECTORS > 1u && column + 1u < N4) { z1 = fma(vec4f(value), count_kernel[at + column + 1u], z1); }
      if (VECTORS > 1u && column + 2u < N4) { z2 = fma(vec4f(value), count_kernel[at + column + 2u], z2); }
      if (VECTORS > 1u && column + 3u < N4) { z3 = fma(vec4f(value), count_kernel[at + column + 3u], z3); }
    }
    store_output(to, elu(z0));
    if (VECTORS > 1u && column + 1u < N4) { store_output(to + 1u, elu(z1)); }
    if (VECTORS > 1u && column + 2u < N4) { store_output(to + 2u, elu(z2)); }
    if (VECTORS > 1u && column + 3u < N4) { store_output(to + 3u, elu(z3)); }
  }
}

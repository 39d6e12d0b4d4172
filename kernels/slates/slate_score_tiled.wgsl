// slate_score_tiled.wgsl - the best of every 32 items for each row, by a network with one hidden layer
//   base [R, L]  table [I, .]  weights: L of the position  masked [panels, R]  best [panels, R] (value, item)
//   score_ri = sum_n weights_n relu(base_rn + table_in)
//   best of panel p: the largest score of items 32 p .. 32 p + 31 with bit 0, the lowest item among equals;
//   NONE if all bits are set.    With STORE instead scores [R, .]: of all items, for rows from first_entry on
// For          a GPU      On a CPU adapter   slate_score_panel.wgsl
// Grid         16 (panels / 2) x R / 4 invocations in workgroups of 16 x 16.
// Work split   a workgroup of 16 x 16 owns 64 rows x 64 items; an invocation owns 4 x 4 of them, in
//              registers. The workgroup copies 16 units of both operands into workgroup memory at a time. It
//              works as matmul_forward_tiled.wgsl, but computes a maximum instead of storing: the scores of a
//              tile never leave the workgroup.
// On a GPU     (reasoned) a workgroup of 256, the most that WebGPU guarantees, reads one number from storage
//              per 32 products. Four rows or items are a vector of a tile: neighbours read neighbouring
//              vectors or the same vector, without conflicts; stores of single words conflict in fours. The
//              tiles are reused for the best of each four items, so 8 KiB suffice and a core has room for
//              more workgroups. The result is 1/16 of the scores, so a few units are enough to make the
//              kernel bound by arithmetic.
//   compiled: navi31 48 VGPRs, 32 subgroups per SIMD, and 52 vector operations for 16 multiply-adds (tiles of
//              single words: 36, 16, 72); mi200 36, 7 (36, 4)
// On llvmpipe  barriers are expensive, and a tile that is read in a loop gains nothing: bench/ladder.md
// Cost         3 R I L flops, 4 (R L + I L) bytes; 12 R I / 32 more for the result.
// Accuracy     L roundings of the running sum

const WORKGROUP = 16;
const WORKGROUP_Y = 16;
const M = 1u;    // step.size[M] is the number of rows
const L4 = 16u;  // hidden units / 4: L
const STORE = false;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,
}

struct Place {
  items: u32,
  mask_stride: u32,        // number of words per panel of 32 items
  @size(16) unread: u32,   // fields that this kernel does not read
  table_stride4: u32,
  table_at4: u32,          // offset of an item's own part in its table row
  @size(12) unread2: u32,  // fields that this kernel does not read
  output_at4: u32,         // offset of the position's weights among all weights
  unread3: u32,            // a field that this kernel does not read
  scores_stride4: u32,
}

@group(0) @binding(0) var<storage, read> base: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<vec4f>;
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> masked: array<u32>;
@group(0) @binding(4) var<storage, read_write> best: array<vec2u>;
@group(0) @binding(5) var<storage, read_write> scores: array<vec4f>;
@group(0) @binding(6) var<uniform> place: Place;
@group(0) @binding(7) var<uniform> step: Step;

const NONE = 0xffffffffu;
const LOWEST = -3.4e38;  // less than every score

// 16 units x 64 rows, four per vector; then the best of each invocation's four items, 16 x 64 rows.
var<workgroup> base_tile: array<array<vec4f, 16>, 16>;
// 16 units x 64 items, four per vector; then the index of the best of the four items, or -1.
var<workgroup> table_tile: array<array<vec4f, 16>, 16>;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn slate_score_tiled(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let rows = step.size[M];
  let lane = local.y * 16u + local.x;
  let first_row = group.y * 64u;
  let first_item = group.x * 64u;
  // Each invocation loads one vector of each tile.
  let load_v = lane % 4u;
  var source_row = min(first_row + lane / 4u, rows - 1u);
  if (STORE) { source_row += step.first_entry; }
  let source_item = min(first_item + lane / 4u, place.items - 1u);
  var sums = array<vec4f, 4>();  // sums of the invocation's 4 rows, 4 items each
  for (var v = 0u; v < L4; v += 4u) {
    // After the last unit the last vector is loaded again; the sum over n ends before it.
    let own = min(v + load_v, L4 - 1u);
    let b = base[source_row * L4 + own];
    let e = table[source_item * place.table_stride4 + place.table_at4 + own];
    for (var c = 0u; c < 4u; c++) {
      base_tile[4u * load_v + c][lane / 16u][(lane / 4u) % 4u] = b[c];
      table_tile[4u * load_v + c][lane / 16u][(lane / 4u) % 4u] = e[c];
    }
    workgroupBarrier();
    for (var n = 0u; n < min(16u, 4u * (L4 - v)); n++) {
      let q = weights[place.output_at4 + v + n / 4u][n % 4u];
      let e4 = table_tile[n][local.x];
      let b4 = base_tile[n][local.y];
      for (var i = 0u; i < 4u; i++) {
        sums[i] = fma(vec4f(q), max(vec4f(b4[i]) + e4, vec4f(0.0)), sums[i]);
      }
    }
    workgroupBarrier();
  }
  let item = first_item + 4u * local.x;
  var values: vec4f;   // the best of its four items for each of the invocation's 4 rows
  var winners: vec4f;  // and the index of that item
  for (var i = 0u; i < 4u; i++) {
    let row = first_row + 4u * local.y + i;
    if (STORE) {
      if (row < rows && item < place.items) { scores[row * place.scores_stride4 + item / 4u] = sums[i]; }
      continue;
    }
    var value = LOWEST;
    var winner = -1.0;
    if (row < rows && item < place.items) {
      let bits = masked[item / 32u * place.mask_stride + row] >> (item % 32u);
      for (var c = 0u; c < 4u; c++) {
        if (item + c < place.items && ((bits >> c) & 1u) == 0u && sums[i][c] > value) {
          value = sums[i][c];
          winner = f32(c);
        }
      }
    }
    values[i] = value;
    winners[i] = winner;
  }
  base_tile[local.x][local.y] = values;
  table_tile[local.x][local.y] = winners;
  workgroupBarrier();
  // Two panels of 32 items, for each of the 64 rows.
  let panel = 2u * group.x + lane / 64u;
  let row = first_row + lane % 64u;
  if (STORE || lane >= 128u || row >= rows || 32u * panel >= place.items) { return; }
  let of4 = (lane % 64u) / 4u;
  let c = lane % 4u;
  var most = LOWEST;
  var winner = NONE;
  for (var x = 8u * (lane / 64u); x < 8u * (lane / 64u) + 8u; x++) {
    let which = table_tile[x][of4][c];
    if (which >= 0.0 && base_tile[x][of4][c] > most) {
      most = base_tile[x][of4][c];
      winner = first_item + 4u * x + u32(which);
    }
  }
  best[panel * rows + row] = vec2u(bitcast<u32>(most), winner);
}

// slate_score_panel.wgsl - the best of every 32 items for each row, by a network with one hidden layer
//   base [R, L]  table [I, .]  weights: L of the position  masked [panels, R]  best [panels, R] (value, item)
//   score_ri = sum_n weights_n relu(base_rn + table_in)
//   best of panel p: the largest score of items 32 p .. 32 p + 31 with bit 0, the lowest item among equals;
//   NONE if all bits are set.    With STORE instead scores [R, .]: of all items, for rows from first_entry on
// For          a CPU adapter      On a GPU   slate_score_tiled.wgsl
// Grid         128 panels x R / 128 invocations in workgroups of 128.
// Work split   a workgroup owns WORKGROUP rows x 32 items; an invocation owns one row. First the workgroup
//              copies the items' part of the table and the weights into workgroup memory. After that barrier
//              there is no loop.
// On llvmpipe  n is unrolled, so that the index of table_in in the panel is constant
//              (matmul_forward_panel.wgsl)
//   The base   is 64 numbers per row for 2,048 products. From a buffer they take half of the time, from a
//              texture a fifth.
// One text     `place` contains the differences between positions of a slate: one shader serves all
//              positions.
// Cost         3 R I L flops, 4 (R L + I L) bytes, 12 R I / 32 for the result.
// Accuracy     L roundings of the running sum

const WORKGROUP = 128;  // rows
const M = 1u;    // step.size[M] is the number of rows
const L4 = 16u;  // hidden units / 4, at most 16: L
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

fn load_base(i: u32) -> vec4f { return base[i]; }

const NONE = 0xffffffffu;
const LOWEST = -3.4e38;  // less than every score

// Unit n of the panel: vectors 8n .. 8n+7, four items per vector.
var<workgroup> panel: array<vec4f, 32u * L4>;
var<workgroup> output: array<vec4f, L4>;

struct Sums { s0: vec4f, s1: vec4f, s2: vec4f, s3: vec4f, s4: vec4f, s5: vec4f, s6: vec4f, s7: vec4f }

fn relu(z: vec4f) -> vec4f { return max(z, vec4f(0.0)); }

// Adds unit n, at p = 8n in the panel.
fn unit(s: Sums, b: f32, q: f32, p: u32) -> Sums {
  let z = vec4f(b);
  let w = vec4f(q);
  return Sums(
    fma(w, relu(z + panel[p]), s.s0),
    fma(w, relu(z + panel[p + 1u]), s.s1),
    fma(w, relu(z + panel[p + 2u]), s.s2),
    fma(w, relu(z + panel[p + 3u]), s.s3),
    fma(w, relu(z + panel[p + 4u]), s.s4),
    fma(w, relu(z + panel[p + 5u]), s.s5),
    fma(w, relu(z + panel[p + 6u]), s.s6),
    fma(w, relu(z + panel[p + 7u]), s.s7),
  );
}

// Adds units 4v .. 4v+3.
fn add(sums: Sums, b: vec4f, v: u32) -> Sums {
  let q = output[v];
  let p = 32u * v;
  return unit(unit(unit(unit(sums, b.x, q.x, p), b.y, q.y, p + 8u), b.z, q.z, p + 16u), b.w, q.w, p + 24u);
}

struct Best { value: f32, item: u32 }

fn better(b: Best, value: f32, item: u32, taken: bool) -> Best {
  let wins = value > b.value && !taken;
  return Best(select(b.value, value, wins), select(b.item, item, wins));
}

fn better4(b: Best, s: vec4f, item: u32, bits: u32) -> Best {
  return better(
    better(
      better(better(b, s.x, item, (bits & 1u) != 0u), s.y, item + 1u, (bits & 2u) != 0u),
      s.z, item + 2u, (bits & 4u) != 0u,
    ),
    s.w, item + 3u, (bits & 8u) != 0u,
  );
}

@compute @workgroup_size(WORKGROUP)
fn slate_score_panel(@builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u) {
  let first = 32u * group.x;
  let last = place.items - 1u;
  for (var i = local.x; i < 8u * L4; i += WORKGROUP) {
    let item = first + 4u * (i % 8u);
    let at = place.table_at4 + i / 8u;
    let w = transpose(mat4x4f(
      table[min(item, last) * place.table_stride4 + at],
      table[min(item + 1u, last) * place.table_stride4 + at],
      table[min(item + 2u, last) * place.table_stride4 + at],
      table[min(item + 3u, last) * place.table_stride4 + at],
    ));
    let p = 32u * (i / 8u) + i % 8u;
    panel[p] = w[0];
    panel[p + 8u] = w[1];
    panel[p + 16u] = w[2];
    panel[p + 24u] = w[3];
  }
  if (local.x < L4) { output[local.x] = weights[place.output_at4 + local.x]; }
  workgroupBarrier();
  let rows = step.size[M];
  // Rows past the end compute the last row again: no branch before the sums.
  let own = min(group.y * WORKGROUP + local.x, rows - 1u);
  var row = own;
  if (STORE) { row += step.first_entry; }
  let at = row * L4;
  var b = array<vec4f, 16>();
  b[0] = load_base(at);
  for (var n = 1u; n < 16u; n++) { if (L4 > n) { b[n] = load_base(at + n); } }  // unrolled
  var s = add(Sums(), b[0], 0u);
  for (var n = 1u; n < 16u; n++) { if (L4 > n) { s = add(s, b[n], n); } }  // unrolled
  if (STORE) {
    let to = own * place.scores_stride4 + 8u * group.x;
    scores[to] = s.s0;
    scores[to + 1u] = s.s1;
    scores[to + 2u] = s.s2;
    scores[to + 3u] = s.s3;
    scores[to + 4u] = s.s4;
    scores[to + 5u] = s.s5;
    scores[to + 6u] = s.s6;
    scores[to + 7u] = s.s7;
    return;
  }
  var bits = masked[group.x * place.mask_stride + row];
  if (place.items - first < 32u) { bits |= 0xffffffffu << (place.items - first); }
  var most = Best(LOWEST, NONE);
  most = better4(most, s.s0, first, bits);
  most = better4(most, s.s1, first + 4u, bits >> 4u);
  most = better4(most, s.s2, first + 8u, bits >> 8u);
  most = better4(most, s.s3, first + 12u, bits >> 12u);
  most = better4(most, s.s4, first + 16u, bits >> 16u);
  most = better4(most, s.s5, first + 20u, bits >> 20u);
  most = better4(most, s.s6, first + 24u, bits >> 24u);
  most = better4(most, s.s7, first + 28u, bits >> 28u);
  best[group.x * rows + own] = vec2u(bitcast<u32>(most.value), most.item);
}

// slate_ratio.wgsl - the slate of k items with the largest expected value, exactly
//   utilities [C, I]  scores [C, .]  values [R, .] (V, Q0)  masked [panels, R] bits  slates [R, k]  worth [R]
//   v_i = exp(ETA u_i): odds of item i against no click (1)  Q_i = scores_i + V;  UTILITY: Q_i = u_i, Q0 = 0
//   worth(A) = (Q0 + sum over A of v_i Q_i) / (1 + sum over A of v_i)
//   slates_r = the set A of k items that are not masked with the largest worth; worth_r = its worth
//   With GIVEN only worth_r of a given slate: utilities [C, k], scores [C, .] by slot, Q0 after the slots
//
// If a slate is worth more than w, then the k items of the largest v_i (Q_i - w) are such a slate. So the
// kernel starts with the items of the largest v_i, sets w to the worth of the slate found, and repeats until
// w does not grow. (Dinkelbach's method for a ratio.) Among equal items the lowest counts first. The chunk's
// rows start at first_entry; utilities and scores are indexed from there. All v are divided by the largest,
// so that they stay finite. If there are too few items, the slate is filled as in slate_pick.wgsl. w is a sum
// of two numbers: if one item is clicked almost always, another item changes w by less than w's last bit. w
// moves by worth(A) - w = (sum over A of v_i (Q_i - w) + Q0 - w) / (1 + sum of v_i).
//
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns a row, with the best items so far in private memory: each round is one
//              pass over the items.
// On a GPU     (reasoned) neighbours read different rows, so no load is coalesced; a cache line serves 16 or
//              32 loads. Workgroups of 64 fill subgroups; users of a subgroup wait for its longest.
// Cost         mostly 3 passes over I, 16 at most, some 30 I flops each; 8 I bytes.
// Accuracy     2^-24 k of the largest Q

const WORKGROUP = 64;
const M = 1u;        // step.size[M] is the number of rows
const SLATE = 3u;    // k, at most 16
const ITEMS = 1u;    // I
const MASK_STRIDE = 1u;     // number of words per panel of 32 items
const UTILITY_STRIDE = 1u;  // numbers per row
const SCORES_STRIDE = 32u;
const VALUE_STRIDE = 4u;
const ETA = 1.0;
const UTILITY = false;
const GIVEN = false;
const ROUNDS = 16u;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,
}

@group(0) @binding(0) var<storage, read> utilities: array<f32>;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> masked: array<u32>;
@group(0) @binding(4) var<storage, read_write> slates: array<u32>;
@group(0) @binding(5) var<storage, read_write> worth: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

const NONE = 0xffffffffu;

// The best items so far, best first.
var<private> found: array<u32, SLATE>;
var<private> keys: array<f32, SLATE>;

fn utility(own: u32, item: u32) -> f32 { return utilities[own * UTILITY_STRIDE + item]; }

// Returns Q of an item, with the part that all items of a row share.
fn value(own: u32, item: u32, shared_part: f32) -> f32 {
  if (UTILITY) { return utility(own, item); }
  return scores[own * SCORES_STRIDE + item] + shared_part;
}

fn take(key: f32, item: u32) {
  if (found[SLATE - 1u] != NONE && !(key > keys[SLATE - 1u])) { return; }
  var j = SLATE - 1u;
  for (; j > 0u && (found[j - 1u] == NONE || key > keys[j - 1u]); j--) {
    found[j] = found[j - 1u];
    keys[j] = keys[j - 1u];
  }
  found[j] = item;
  keys[j] = key;
}

// Gives slots without an item the lowest items that are not yet in the slate.
fn fill() {
  for (var j = 0u; j < SLATE; j++) {
    if (found[j] != NONE) { continue; }
    var item = 0u;
    for (var round = 0u; round < SLATE; round++) {
      for (var m = 0u; m < SLATE; m++) {
        if (found[m] == item) { item++; }
      }
    }
    found[j] = min(item, ITEMS - 1u);
  }
}

struct Row { own: u32, shared_part: f32, none: f32 }

// Finds the best k items by v (Q - w), or by v alone. @returns the largest eta u, at least 0.
fn walk(at: Row, row: u32, most: f32, w: vec2f, by_chance: bool) -> f32 {
  for (var j = 0u; j < SLATE; j++) { found[j] = NONE; }
  var largest = 0.0;
  for (var first = 0u; first < ITEMS; first += 32u) {
    let bits = masked[first / 32u * MASK_STRIDE + row];
    for (var item = first; item < min(first + 32u, ITEMS); item++) {
      if (((bits >> (item % 32u)) & 1u) == 1u) { continue; }
      let u = ETA * utility(at.own, item);
      largest = max(largest, u);
      var key = u;
      if (!by_chance) { key = exp(u - most) * ((value(at.own, item, at.shared_part) - w.x) - w.y); }
      take(key, item);
    }
  }
  fill();
  return largest;
}

// Returns the worth of the slate in `found` minus w.
fn gain(at: Row, most: f32, w: vec2f) -> f32 {
  var share = exp(-most);
  var sum = share * ((at.none - w.x) - w.y);
  for (var j = 0u; j < SLATE; j++) {
    let v = exp(ETA * utility(at.own, found[j]) - most);
    share += v;
    sum += v * ((value(at.own, found[j], at.shared_part) - w.x) - w.y);
  }
  return sum / share;
}

@compute @workgroup_size(WORKGROUP)
fn slate_ratio(@builtin(global_invocation_id) id: vec3u) {
  let own = id.x;
  if (own >= step.size[M]) { return; }
  let row = step.first_entry + own;
  var shared_part = 0.0;
  var none = 0.0;
  if (GIVEN) {
    none = scores[own * SCORES_STRIDE + SLATE];
  } else if (!UTILITY) {
    shared_part = values[row * VALUE_STRIDE];
    none = values[row * VALUE_STRIDE + 1u];
  }
  let at = Row(own, shared_part, none);
  if (GIVEN) {
    for (var j = 0u; j < SLATE; j++) { found[j] = j; }
    var most = 0.0;
    for (var j = 0u; j < SLATE; j++) { most = max(most, ETA * utility(own, found[j])); }
    let w = gain(at, most, vec2f(0.0));
    worth[row] = w + gain(at, most, vec2f(w, 0.0));
    return;
  }
  let most = walk(at, row, 0.0, vec2f(0.0), true);
  var slate = found;
  var w = vec2f(gain(at, most, vec2f(0.0)), 0.0);
  w.y = gain(at, most, w);
  for (var round = 1u; round < ROUNDS; round++) {
    walk(at, row, most, w, false);
    let more = gain(at, most, w);
    if (!(more > 0.0)) { break; }
    var same = true;
    for (var j = 0u; j < SLATE; j++) { same = same && found[j] == slate[j]; }
    if (same) { break; }
    slate = found;
    // With w near the slate's worth, gain returns the difference exactly.
    w = vec2f(w.x + (w.y + more), 0.0);
    w.y = gain(at, most, w);
  }
  worth[row] = w.x + w.y;
  for (var j = 0u; j < SLATE; j++) {
    slates[row * SLATE + j] = slate[j];
    masked[slate[j] / 32u * MASK_STRIDE + row] |= 1u << (slate[j] % 32u);
  }
}

// row_counts.wgsl - counts of every displayed item, as inputs of the utility; they have no gradient
//   recent [E, 2 + LAGS (2 + S)] of recent_clicks.wgsl      table [I, WIDTH]: see src/counts/count_columns.ts
//   fact   [., 4 + X]  with LOGGED, per row of the log: the item's catalogue number; the user's own counts of
//                   the item; the user's pages so far and displays so far, each with the number of those
//                   with a click in the upper half; the row's X context features. Otherwise row_item is the
//                   catalogue number, and with USERS fact has the words of pass_over.wgsl
//   scale  [3, C]   mean per column; 1 / sd; (clicks per display of all items, items on the longest page,
//                   least number of users of an item whose pairs were counted, share of pages with a click),
//                   and in the last X columns means of the context features
//   row    [., X]  without LOGGED, and if CONTEXTS > 0: contexts of simulated pages. A user's page features
//                   are those of one of the first D rows, and an item's features those of one of its own
//                   PER_ITEM rows, which follow, or of one of the first D rows if PER_ITEM = 0 (see
//                   src/simulate/contexts.ts). If CONTEXTS = 0, rows that are not logged have the means
//   counts [R, C]  standardised; n: the user's clicks so far, q: of the last LAGS on a category, a = PRIOR
//     rate          log((clicks' + a rate) / ((shown' + a) rate))          ' = without the user's own pages
//     shown         log(1 + shown')
//     similarity    log(.05 + sum over the different last clicks h != i of both' / sqrt(users'_h users'_i))
//     clicked before, last    log(1 + times among the last clicks), 1 if it was the last
//     passed over   log(1 + times that the user was shown the item and clicked another item, or nothing)
//     category g   log of the mean over tokens t of (q_t + a share_t) / ((q + a) share_t), a column per field
//     clicks, page  log(1 + n), log of the page's number of items, at most that of the longest counted page
//                   (a catalogue is longer)
//     page click rate      log-odds of the user's pages with a click, (k + a q) / (m - k + a (1 - q)), minus
//                          those of q, the share of all pages with a click: m pages so far, k with a click
//     display click rate   log((clicks + b rate) / ((displays + b) rate)) of the user's pages so far, b = 2 a
//     context features      unchanged, X columns
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns one row. Rows are independent: no barrier. An event's rows are neighbours.
// Cost         per last click a bisection among M neighbours and at most S^2 comparisons: linear in the rows,
//              for any size of the catalogue. About 20 (log2 M + fields) words per row.
// On llvmpipe  distributing an event's rows to eight invocations, with bisections that end early, takes two
//              fifths longer
// On a GPU     (reasoned) bisections take the same steps in all invocations; the last clicks are a broadcast.
//              The table's rows are a gather of a few hundred bytes each: popular items stay in cache. The
//              invocations are independent, so the workgroup has the usual size.
// Accuracy     logarithms of quotients of small numbers: 1e-6 of the value, absolute near 0.
// Backward     none: the table is counted, not learned

const WORKGROUP = 64;
const LAGS = 20u;
const SLOTS = 0u;       // S
const FIELDS = 0u;
const FIELD_OF = 0u;    // the field of each slot, four bits per slot
const NEIGHBOURS = 8u;  // M
const WIDTH = 20u;
const LOGGED = true;
const PAGE = 0u;        // items of a page; 0: all rows of an event are one page
const USERS = 0u;       // number of simulated users; 0: their pages are not recorded
const PASS_WORDS = 0u;  // words of a simulated user before the last word, which counts pages
const SLATE = 0u;       // items of a simulated user's page
const C4 = 3u;          // columns / 4, rounded up
const FEATURES = 0u;    // X
const OF_ITEM = 0u;     // context features of an item, which come before those of the page
const CONTEXTS = 0u;    // D, number of drawn pages; 0: without contexts
const PER_ITEM = 0u;    // number of drawn impressions per item
const PRIOR = 5.0;
const FLOOR = 0.05;
const STRIDE = 2u + SLOTS;
const EVENT = 4u * ((2u + LAGS * STRIDE + 3u) / 4u);  // rows are padded to whole vectors
const FIRST_NEIGHBOUR = 4u + 2u * SLOTS;
const PAIRED = 1u << 30u;
const IN_PAIRS = 1u << 31u;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,       // index of the chunk's first user
  @size(32) unread: u32,  // fields that this kernel does not read
  episode: u32,
  first_user: u32,        // index of the first user
}

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> row: array<vec4u>;
@group(0) @binding(2) var<storage, read> fact: array<u32>;
@group(0) @binding(3) var<storage, read> row_item: array<u32>;
@group(0) @binding(4) var<storage, read> recent: array<f32>;
@group(0) @binding(5) var<storage, read> table: array<f32>;
@group(0) @binding(6) var<storage, read> scale: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> counts: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

fn field_of(slot: u32) -> u32 { return (FIELD_OF >> (4u * slot)) & 15u; }

// The numbers that the first three steps of a bisection compare with: read once per row for all last clicks.
struct Pivots { first: f32, second: vec2f, third: vec4f }

const HALF1 = NEIGHBOURS / 2u;
const HALF2 = (NEIGHBOURS - HALF1) / 2u;
const HALF3 = (NEIGHBOURS - HALF1 - HALF2) / 2u;

fn pivots(first: u32) -> Pivots {
  let at = first + FIRST_NEIGHBOUR;
  let second = at + max(HALF2, 1u) - 1u;
  let third = at + max(HALF3, 1u) - 1u;
  return Pivots(
    table[at + max(HALF1, 1u) - 1u],
    vec2f(table[second], table[second + HALF1]),
    vec4f(table[third], table[third + HALF2], table[third + HALF1], table[third + HALF1 + HALF2]),
  );
}

// Returns how many users clicked both `other` and the item at `first`; 0 if they are not neighbours.
fn clicked_both(first: u32, pivot: Pivots, other: f32) -> f32 {
  // All invocations take the same steps: the result of a comparison is added, and no invocation branches.
  let above1 = pivot.first < other;
  let above2 = select(pivot.second.x, pivot.second.y, above1) < other;
  let third = select(pivot.third.xy, pivot.third.zw, above1);
  let above3 = select(third.x, third.y, above2) < other;
  var at = first + FIRST_NEIGHBOUR + select(0u, HALF1, above1) + select(0u, HALF2, above2) + select(0u, HALF3, above3);
  for (var left = NEIGHBOURS - HALF1 - HALF2 - HALF3; left > 1u;) {
    let half = left / 2u;
    at += select(0u, half, table[at + half - 1u] < other);
    left -= half;
  }
  return select(0.0, table[at + NEIGHBOURS], table[at] == other);
}

// Returns the log-ratio, per field, of the user's to all users' click frequency in the item's categories.
fn lifts(first: u32, past: u32, lags: u32) -> vec4f {
  var found: array<f32, 8>;
  var clicks = vec4f(0.0);
  for (var lag = 0u; lag < lags; lag++) {
    let at = past + lag * STRIDE + 2u;
    var tokens = vec4f(0.0);
    for (var t = 0u; t < SLOTS; t++) {
      if (recent[at + t] >= 0.0) { tokens[field_of(t)] += 1.0; }
    }
    clicks += select(vec4f(0.0), vec4f(1.0), tokens > vec4f(0.0));
    for (var s = 0u; s < SLOTS; s++) {
      let own = table[first + 4u + 2u * s];
      if (own < 0.0) { continue; }
      let field = field_of(s);
      for (var t = 0u; t < SLOTS; t++) {
        if (field_of(t) == field && recent[at + t] == own) { found[s] += 1.0 / tokens[field]; }
      }
    }
  }
  var sum = vec4f(0.0);
  var count = vec4f(0.0);
  for (var s = 0u; s < SLOTS; s++) {
    if (table[first + 4u + 2u * s] < 0.0) { continue; }
    let share = table[first + 4u + 2u * s + 1u];
    let field = field_of(s);
    sum[field] += (found[s] + PRIOR * share) / ((clicks[field] + PRIOR) * share);
    count[field] += 1.0;
  }
  return select(log(sum / max(count, vec4f(1.0))), vec4f(0.0), count == vec4f(0.0));
}

// Returns a row's event; on pages of simulated users all events have the same number of rows.
fn event_of(r: u32) -> u32 {
  if (LOGGED) { return row[r].x; }
  return r / (event[0].y - event[0].x);
}

// Returns the lower and the upper half of a word: a number, and how many of those have a click.
fn halves(word: u32) -> vec2f { return vec2f(f32(word & 0xffffu), f32(word >> 16u)); }

@compute @workgroup_size(WORKGROUP)
fn row_counts(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let r = id.x + id.y * (grid.x * WORKGROUP);
  if (r >= step.size.z) { return; }
  let e = event_of(r);
  let of_event = event[e];
  let so_far = recent[e * EVENT];
  let lags = u32(recent[e * EVENT + 1u]);
  let past = e * EVENT + 2u;
  let mean_rate = scale[2u * C4].x;
  let shown_at_once = min(f32(select(PAGE, of_event.y - of_event.x, PAGE == 0u)), scale[2u * C4].y);
  let user = step.first_entry + e;
  var item: u32;
  var own = 0u;
  var pages = vec2f(0.0);     // the user's pages so far: all, and those with a click
  var displays = vec2f(0.0);
  if (LOGGED) {
    let known = (4u + FEATURES) * row[r].y;
    item = fact[known];
    own = fact[known + 1u];
    pages = halves(fact[known + 2u]);
    displays = halves(fact[known + 3u]);
  } else {
    item = row_item[r];
    if (USERS > 0u) {
      own = (fact[(item / 8u) * USERS + user] >> (4u * (item % 8u))) & 15u;
      pages = halves(fact[PASS_WORDS * USERS + user]);
      displays = vec2f(f32(SLATE) * pages.x, pages.y);
    }
  }
  let first = item * WIDTH;
  let shown = max(table[first] - f32((own >> 8u) & 2047u), 0.0);
  let clicked = max(table[first + 1u] - f32((own >> 19u) & 2047u), 0.0);
  let in_pairs = select(0.0, 1.0, (own & IN_PAIRS) != 0u);
  let paired = select(0.0, 1.0, (own & PAIRED) != 0u);
  let own_users = table[first + 2u] - in_pairs;
  let users = max(own_users, 1.0);
  let least_users = scale[2u * C4].z;
  var similarity = 0.0;
  var again = 0.0;
  let pivot = pivots(first);
  for (var lag = 0u; lag < lags; lag++) {
    let noted = recent[past + lag * STRIDE];
    if (noted == f32(item) || noted == -1.0 - f32(item)) {
      again += 1.0;
    } else if (noted >= 0.0) {
      let both = max(clicked_both(first, pivot, noted) - in_pairs, 0.0);
      let their_users = recent[past + lag * STRIDE + 1u] - paired;
      let others = max(their_users, 1.0);
      // Without the user's own clicks the pair might not have been counted, or might not be among the
      // nearest.
      let counted = min(own_users, their_users) >= least_users && both - 0.5 > table[first + 3u] * sqrt(others);
      if (paired == 0.0 || counted) { similarity += both / sqrt(users * others); }
    }
  }
  let page_rate = scale[2u * C4].w;
  let odds = (pages.y + PRIOR * page_rate) / (pages.x - pages.y + PRIOR * (1.0 - page_rate));
  var c: array<f32, 4u * C4>;
  c[0] = log((clicked + PRIOR * mean_rate) / ((shown + PRIOR) * mean_rate));
  c[1] = log(1.0 + shown);
  c[2] = log(similarity + FLOOR);
  c[3] = log(1.0 + again);
  c[4] = select(0.0, 1.0, lags > 0u && recent[past] == f32(item));
  c[5] = log(1.0 + f32(own & 255u));
  if (FIELDS > 0u) {
    let lift = lifts(first, past, lags);
    for (var field = 0u; field < FIELDS; field++) { c[6u + field] = lift[field]; }
  }
  c[6u + FIELDS] = log(1.0 + so_far);
  c[7u + FIELDS] = log(shown_at_once);
  c[8u + FIELDS] = log(odds * ((1.0 - page_rate) / page_rate));
  c[9u + FIELDS] = log((displays.y + 2.0 * PRIOR * mean_rate) / ((displays.x + 2.0 * PRIOR) * mean_rate));
  // The factor and, for items, the hash are those of src/simulate/contexts.ts.
  let session = step.first_user + user + 0x9e3779b9u * step.episode;
  var hash = 0x9e3779b9u * session + item;
  hash = (hash ^ (hash >> 16u)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13u)) * 0xc2b2ae35u;
  hash ^= hash >> 16u;
  let own_row = CONTEXTS + item * PER_ITEM + hash % max(PER_ITEM, 1u);
  let drawn = vec2u(session % max(CONTEXTS, 1u), select(hash % max(CONTEXTS, 1u), own_row, PER_ITEM > 0u));
  for (var k = 0u; k < FEATURES; k++) {
    let column = 10u + FIELDS + k;
    if (LOGGED) {
      c[column] = bitcast<f32>(fact[(4u + FEATURES) * row[r].y + 4u + k]);
    } else if (CONTEXTS > 0u) {
      let at = FEATURES * select(drawn.x, drawn.y, k < OF_ITEM) + k;
      c[column] = bitcast<f32>(row[at / 4u][at % 4u]);
    } else {
      c[column] = scale[2u * C4 + column / 4u][column % 4u];
    }
  }
  for (var k = 0u; k < C4; k++) {
    let x = vec4f(c[4u * k], c[4u * k + 1u], c[4u * k + 2u], c[4u * k + 3u]);
    counts[r * C4 + k] = (x - scale[k]) * scale[C4 + k];
  }
}

// batch_expand.wgsl - from the users that a batch names to its events and rows
//
//   plan   [B+1]  (first event in the log, first event in the batch, first row in the batch, -); entry B closes it
//   log_event [., 3]  first row, clicked row | NONE, clicks of the log before the event (top bit: it is given): for every
//                  event of the log, and one entry more
//   log_row   [.]  (item, order); order = place of the row among all rows of the log sorted by item
//   event  [E]    (first row, end row, clicked row | NONE | GIVEN, item fed to the encoder | NONE), in batch numbering
//   event_item [E]  that item, or 0: an index that may always be followed
//   history [E]    (clicks of the user before the event, end of her events)
//   row    [R]    (event, item, order, event if this row's click is fed to the encoder | NONE)
//   bits   [.]    one bit for each item of the catalogue, then one for each row of the log: "is in this batch"
//
// The click of a user's last event is fed to nobody: no state follows it. So the items before event e stand at the fed
// events e' < e, the last of them at lag history[e].x - history[e'].x = 1: a walk back knows where to stop.
//
// A given event is history that the log starts with: its click is fed as any other, but nothing is predicted of it, so the
// losses see GIVEN in the place of its row.
//
// Work split   one invocation owns one event; it finds its user by bisection in the plan. The bits are set by
//              integer atomics, whose result does not depend on the order.
// Cost         8 bytes read, 16 written and two bits set a row; 20 read and 28 written an event.
// Next         batch_rank.wgsl

const WORKGROUP = 64;
const ITEM_WORDS = 1u;  // words of bits that the items take
const NONE = 0xffffffffu;
const GIVEN = 0xfffffffeu;
const GIVEN_BIT = 0x80000000u;

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;
@group(0) @binding(1) var<storage, read> log_event: array<u32>;
@group(0) @binding(2) var<storage, read> log_row: array<vec2u>;
@group(0) @binding(3) var<storage, read_write> event: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> event_item: array<u32>;
@group(0) @binding(5) var<storage, read_write> row: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> bits: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> history: array<vec2u>;
@group(0) @binding(8) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn batch_expand(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  if (e >= step.size.y) { return; }

  // The last user whose first event is not after e. Users without events share their successor's number.
  var low = step.first_user;
  var high = step.first_user + step.size.x;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (plan[middle].y <= e) { low = middle; } else { high = middle; }
  }
  let user = plan[low];
  let user_end = plan[low + 1u];

  let logged = user.x + (e - user.y);
  let log_first = log_event[3u * logged];
  let count = log_event[3u * logged + 3u] - log_first;
  // Rows of a user follow each other in the log as in the batch.
  let first = user.z + (log_first - log_event[3u * user.x]);
  let log_click = log_event[3u * logged + 1u];
  let clicked = log_click != NONE;
  let feeds = clicked && e + 1u < user_end.y;
  var fed_item = NONE;
  if (feeds) { fed_item = log_row[log_click].x; }
  let before = log_event[3u * logged + 2u];
  let given = (before & GIVEN_BIT) != 0u;
  var click = select(NONE, first + (log_click - log_first), clicked);
  if (given) { click = GIVEN; }
  event[e] = vec4u(first, first + count, click, fed_item);
  event_item[e] = select(0u, fed_item, feeds);
  let clicks = (before & ~GIVEN_BIT) - (log_event[3u * user.x + 2u] & ~GIVEN_BIT);
  history[e] = vec2u(clicks, user_end.y);

  for (var k = 0u; k < count; k++) {
    let logged_row = log_row[log_first + k];
    let fed = feeds && log_first + k == log_click;
    row[first + k] = vec4u(e, logged_row.x, logged_row.y, select(NONE, e, fed));
    atomicOr(&bits[logged_row.x >> 5u], 1u << (logged_row.x & 31u));
    atomicOr(&bits[ITEM_WORDS + (logged_row.y >> 5u)], 1u << (logged_row.y & 31u));
  }
}

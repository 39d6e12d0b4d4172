// batch_expand.wgsl - from the users that a batch names to its events and rows
//
//   plan   [B+1]  (first event in the log, first event in the batch, first row in the batch, -); entry B closes the list
//   log_event [.]  (first row, clicked row | NONE, clicks of the log before the event, with the top bit set where the event is
//                  given and the next one, too, where it is an additional click, item clicked | NONE): for every event of the log,
//                  and one entry more
//   log_row   [., 3]  bit, shown, order: the bit of the row's item, the item's position among those that the log shows, the
//                  row's position among all rows of the log sorted by item
//   event  [E]    (first row, end row, clicked row | NONE | GIVEN | FURTHER + row, item fed to the encoder | NONE), in the
//                  batch's numbering
//   event_item [E]  that item, or 0: an index that is always valid
//   history [E]    (clicks of the user before the event, end of the user's events)
//   row    [R]    (event, row of the log, order, event if this row's click is fed to the encoder | NONE)
//   bits   [.]    one bit for each item: of those that the log shows, or of the whole catalogue where they are one-hot, as each
//                  has a row in tables. Then one bit for each row of the log. A bit says "is in this batch"
//
// The click of a user's last event is not fed: no state follows it. So the clicks before event e are those of the fed
// events e' < e. The lag of e' is history[e].x - history[e'].x, 1 for the last of them: a walk back knows where to stop.
//
// A context event is history that the log starts a user with. Its click is fed like any other, but nothing is predicted of it,
// so the losses see GIVEN instead of the clicked row. So is an additional click, an event after that of its page: it has one
// row of its own, whose click is fed, and in the log names the row of the page. The losses see that row, and FURTHER.
//
// The batches of the next steps are laid out side by side, each in its slice of every array (z).
//
// For          both kinds of adapter      Grid   E x 1 x slices invocations in workgroups of 64.
// Work split   one invocation owns one event of one slice. It finds its user by bisection in the plan and walks along its rows.
//              The bits are set by integer atomics, whose result does not depend on the order.
// Why slices   on small batches a step costs what its dispatches cost. Up to sixteen steps share this one.
// On a GPU     (reasoned) the host sends 16 bytes per user; all else is read from the log on the device. An invocation's rows
//              are contiguous, but neighbours start a page apart: the writes of row are not coalesced. Atomics on bits go to
//              scattered words; only those of popular items meet. More slices fill the GPU where a batch is small. Workgroups
//              of 64, without a barrier: a subgroup waits only for its own longest walk.
// Cost         12 bytes read, 16 written and two bits set a row; 24 read and 28 written an event.
// Next         batch_rank.wgsl

const WORKGROUP = 64;
const ITEM_WORDS = 1u;    // words of bits that the items take
const HEADERS = 1u;       // headers from one step's to the next step's
const HEADERS_SEEN = 1u;  // headers of all slices
const EVENTS = 0u;        // elements from a slice to the next, in arrays by event
const ROWS = 0u;          // the same in arrays by row
const WORDS = 0u;         // and in arrays by word of bits
const NONE = 0xffffffffu;
const GIVEN = 0xfffffffeu;
const FURTHER = 0x80000000u;
const GIVEN_BIT = 0x80000000u;
const FURTHER_BIT = 0x40000000u;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
  @size(236) rest: u32, // up to the next header
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;
@group(0) @binding(1) var<storage, read> log_event: array<vec4u>;
@group(0) @binding(2) var<storage, read> log_row: array<u32>;
@group(0) @binding(3) var<storage, read_write> event: array<vec4u>;
@group(0) @binding(4) var<storage, read_write> event_item: array<u32>;
@group(0) @binding(5) var<storage, read_write> row: array<vec4u>;
@group(0) @binding(6) var<storage, read_write> bits: array<atomic<u32>>;
@group(0) @binding(7) var<storage, read_write> history: array<vec2u>;
@group(0) @binding(8) var<uniform> steps: array<Step, HEADERS_SEEN>;

@compute @workgroup_size(WORKGROUP)
fn batch_expand(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let e = id.x + id.y * (grid.x * WORKGROUP);
  let slice = id.z;
  let step = steps[slice * HEADERS];
  if (e >= step.size.y) { return; }

  // The last user whose first event is not after e. A user without events has the same first event as the next user.
  var low = step.first_entry;
  var high = step.first_entry + step.size.x;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (plan[middle].y <= e) { low = middle; } else { high = middle; }
  }
  let user = plan[low];
  let user_end = plan[low + 1u];

  let logged = user.x + (e - user.y);
  let logged_event = log_event[logged];
  let log_first = logged_event.x;
  let count = log_event[logged + 1u].x - log_first;
  let user_event = log_event[user.x];
  // Rows of a user follow each other in the log as in the batch.
  let first = user.z + (log_first - user_event.x);
  let further = (logged_event.z & FURTHER_BIT) != 0u;
  let log_click = select(logged_event.y, log_first, further);
  let clicked = log_click != NONE;
  let feeds = clicked && e + 1u < user_end.y;
  let fed_item = select(NONE, logged_event.w, feeds);
  let given = (logged_event.z & GIVEN_BIT) != 0u;
  var click = select(NONE, first + (log_click - log_first), clicked);
  if (given) { click = GIVEN; }
  if (further) { click = FURTHER + user.z + (logged_event.y - user_event.x); }
  event[slice * EVENTS + e] = vec4u(first, first + count, click, fed_item);
  event_item[slice * EVENTS + e] = select(0u, fed_item, feeds);
  let clicks = (logged_event.z - user_event.z) & (FURTHER_BIT - 1u);
  history[slice * EVENTS + e] = vec2u(clicks, user_end.y);

  for (var k = 0u; k < count; k++) {
    let logged_row = 3u * (log_first + k);
    let item_bit = log_row[logged_row];
    let order = log_row[logged_row + 2u];
    let fed = feeds && log_first + k == log_click;
    row[slice * ROWS + first + k] = vec4u(e, log_first + k, order, select(NONE, e, fed));
    atomicOr(&bits[slice * WORDS + (item_bit >> 5u)], 1u << (item_bit & 31u));
    atomicOr(&bits[slice * WORDS + ITEM_WORDS + (order >> 5u)], 1u << (order & 31u));
  }
}

// batch_expand.wgsl - expands a batch's users to the batch's events and rows (a row: a displayed item)
//   plan   [B+1]   (first event in the log, first event and first row in the batch, -); entry B is the end
//   log_event [.]  (first row, clicked row | NONE, clicks of the log before the event, item clicked | NONE),
//                  for every event of the log and one entry more. The third number's top bit marks a context
//                  event, the next bit an additional click
//   log_row [., 3] bit, shown, order: the bit of the row's item; the item's index among all items of the log;
//                  the row's index among all rows of the log sorted by item
//   event  [E]     (first row, end row, clicked row | NONE | GIVEN | FURTHER + row, item fed to the encoder |
//                  NONE), with rows of the batch
//   event_item [E]  the fed item, or 0, so that the index is always valid
//   history [E]     (clicks of the user before the event, end of the user's events)
//   row    [R]      (event, row of the log, order, event if this row's click is fed to the encoder | NONE)
//   bits   [.]     one bit per item of the log (with one-hot items: per item of the catalogue, as each has a
//                  table row), then one bit per row of the log; 1 if the item or row is in this batch
//
// The click of a user's last event is not fed, as no state follows it. So the clicks before event e are those
// of the fed events e' < e. Event e' is history[e].x - history[e'].x clicks back; 1 for the last fed event.
//
// A context event starts a user's history: its click is fed, but not predicted, so the losses get GIVEN
// instead of the clicked row. An additional click is an event after the first event of its page. The event
// has one row of its own, whose click is fed; in the log it names the clicked row of the page. The losses get
// FURTHER + that row.
//
// One dispatch builds the batches of several steps; each batch has its slice of every array (z).
//
// For          both kinds of adapter      Grid   E x 1 x slices invocations in workgroups of 64.
// Work split   one invocation owns one event of one slice. It finds the event's user by bisection in plan and
//              loops over the event's rows. Integer atomics set the bits, so the result does not depend on
//              the order.
// Why slices   the time of a small batch's step is mostly launches. Up to sixteen steps share this dispatch.
// On a GPU     (reasoned) the host sends 16 bytes per user; all else is read from the log on the device. An
//              invocation's rows are contiguous, but neighbours start a page apart: writes of row are not
//              coalesced. Atomics on bits go to scattered words; only those of popular items collide. More
//              slices fill the GPU if batches are small. Without a barrier a subgroup waits only for its own
//              longest page. Workgroups of 64.
// Cost         per row: 12 bytes read, 16 written, two bits set; per event: 24 read, 28 written.
// Next         batch_rank.wgsl

const WORKGROUP = 64;
const ITEM_WORDS = 1u;    // number of words with the bits of items
const HEADERS = 1u;       // number of headers between the header of a slice and that of the next slice
const HEADERS_SEEN = 1u;  // number of headers of all slices
const EVENTS = 0u;        // elements per slice in arrays with an element per event
const ROWS = 0u;          // elements per slice in arrays with an element per row
const WORDS = 0u;         // elements per slice in arrays with an element per word of bits
const NONE = 0xffffffffu;
const GIVEN = 0xfffffffeu;
const FURTHER = 0x80000000u;
const GIVEN_BIT = 0x80000000u;
const FURTHER_BIT = 0x40000000u;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
  @size(236) rest: u32, // padding up to the next step header
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

  // Find the last user whose first event is not after e. A user without events shares the next user's.
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
  // A user's rows are contiguous and in the same order in the log and in the batch.
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

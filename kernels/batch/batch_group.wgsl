// batch_group.wgsl - lists the batch's distinct items and groups its rows (displayed items) by item
//   row        [R]     from batch_expand.wgsl            ranked [W]  from batch_rank.wgsl
//   log_row    [., 3]  bit, shown, order: see batch_expand.wgsl
//   log_item   [.]     per item of the log: (item, index of its first row among all rows sorted by item)
//   row_item   [R]     index of the row's item in the item projections: its slot, or with ONE_HOT its item
//   slot_item  [D]     the distinct items of the batch, ascending; a slot is an index in this list
//   slot_first [D+1]   where a slot's rows start in sorted
//   sorted     [R]     rows by item: gradients that are summed over an item's rows read this list
// For          both kinds of adapter      Grid   R x 1 x slices invocations in workgroups of 64.
// Work split   one invocation owns one row of one slice (z; see batch_expand.wgsl). All rows of an item write
//              the same values to slot_item and slot_first.
// On a GPU     (reasoned) two ranks per row, each a load and a bit count. Reads of row are coalesced. Reads
//              of ranked are random, but ranked fits the cache; writes to sorted are scattered.
// Cost         about 48 bytes per row.      Readers   first_layer_backward.wgsl, embedding_gradient.wgsl

const WORKGROUP = 64;
const ITEM_WORDS = 1u;
const ONE_HOT = false;
const HEADERS = 1u;       // number of headers between the header of a slice and that of the next slice
const HEADERS_SEEN = 1u;  // number of headers of all slices
const ROWS = 0u;          // elements per slice in arrays with an element per row
const SLOTS = 0u;         // elements per slice in arrays with an element per distinct item
const WORDS = 0u;         // elements per slice in arrays with an element per word of bits

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(240) rest: u32, // padding up to the next step header
}

@group(0) @binding(0) var<storage, read> row: array<vec4u>;
@group(0) @binding(1) var<storage, read> ranked: array<vec2u>;
@group(0) @binding(2) var<storage, read> log_row: array<u32>;
@group(0) @binding(3) var<storage, read> log_item: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> row_item: array<u32>;
@group(0) @binding(5) var<storage, read_write> slot_item: array<u32>;
@group(0) @binding(6) var<storage, read_write> slot_first: array<u32>;
@group(0) @binding(7) var<storage, read_write> sorted: array<u32>;
@group(0) @binding(8) var<uniform> steps: array<Step, HEADERS_SEEN>;

// Returns the number of set bits of a slice before one bit of a word.
fn rank(slice: u32, word: u32, bit: u32) -> u32 {
  let entry = ranked[slice * WORDS + word];
  return entry.y + countOneBits(entry.x & ((1u << bit) - 1u));
}

@compute @workgroup_size(WORKGROUP)
fn batch_group(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let r = id.x + id.y * (grid.x * WORKGROUP);
  let slice = id.z;
  let rows = steps[slice * HEADERS].size.z;
  let items = steps[slice * HEADERS].size.w;
  if (r >= rows) { return; }
  let own = slice * ROWS;
  let shown = log_row[3u * row[own + r].y + 1u];
  let order = row[own + r].z;
  let item = log_item[shown].x;
  let first = log_item[shown].y;
  let item_bit = select(shown, item, ONE_HOT);
  let slot = rank(slice, item_bit >> 5u, item_bit & 31u);
  sorted[own + rank(slice, ITEM_WORDS + (order >> 5u), order & 31u) - items] = r;
  slot_item[slice * SLOTS + slot] = item;
  slot_first[slice * SLOTS + slot] = rank(slice, ITEM_WORDS + (first >> 5u), first & 31u) - items;
  row_item[own + r] = select(slot, item, ONE_HOT);
  if (r == 0u) { slot_first[slice * SLOTS + items] = rows; }
}

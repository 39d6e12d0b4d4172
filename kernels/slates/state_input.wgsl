// state_input.wgsl - inputs of a network about users on a page: their state, and the page number / T
//   state [R, S]   input [R, S + 1]: the state, and page / T after it
// For          both kinds of adapter      Grid   R (S + 1) / 4 invocations in workgroups of 64.
// Work split   one invocation owns four columns of a row.
// On a GPU     (reasoned) a copy, coalesced. Workgroups of 64 fill subgroups; a copy needs nothing else.
// Cost         32 bytes per vector.

const WORKGROUP = 64;
const M = 1u;      // step.size[M] is the number of rows
const S4 = 5u;     // vectors per row of states
const X4 = 6u;     // vectors per row of inputs
const TIME = 20u;  // column of page / T
const T = 20u;     // pages per episode

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(32) unread: u32,  // fields that this kernel does not read
  page: u32,              // index of the page in the episode
}

@group(0) @binding(0) var<storage, read> state: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> input: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

fn load_state(i: u32) -> vec4f { return state[i]; }
fn store_input(i: u32, value: vec4f) { input[i] = value; }

@compute @workgroup_size(WORKGROUP)
fn state_input(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x / X4;
  let v = id.x % X4;
  if (row >= step.size[M]) { return; }
  var x = vec4f(0.0);
  if (v < S4) { x = load_state(row * S4 + v); }
  if (v == TIME / 4u) { x[TIME % 4u] = f32(step.page) / f32(T); }
  store_input(id.x, x);
}

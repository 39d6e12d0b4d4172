// input_state.wgsl - copies the state of users out of a network's input
//
//   input [R, S + 1]: a state, then page / T   state [R, S], and zeros up to whole vectors
//
// For          both kinds of adapter
// Work split   one invocation owns four columns of a row.
// On a GPU     (reasoned, not measured) a copy, coalesced. The way there: state_input.wgsl. Workgroups of 64 fill subgroups; a
//              copy needs nothing else.
// Cost         32 bytes a vector.

const WORKGROUP = 64;
const M = 1u;      // step.size[M] is the number of rows
const S4 = 5u;     // vectors of a row of states
const X4 = 6u;     // and of a row of inputs
const TIME = 20u;  // column of page / T

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn store_state(i: u32, value: vec4f) { state[i] = value; }

@compute @workgroup_size(WORKGROUP)
fn input_state(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x / S4;
  let v = id.x % S4;
  if (row >= step.size[M]) { return; }
  var x = load_input(row * X4 + v);
  if (v == TIME / 4u) { x[TIME % 4u] = 0.0; }
  store_state(id.x, x);
}

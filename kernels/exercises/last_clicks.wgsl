// last_clicks.wgsl - exercise: a weighted sum of the last clicks  (read kernels/course/8-position-weights.md)
//   event [E]     w: the item that event e feeds to the encoder, or NONE
//   history [E]   (clicks of the event's user before e, the end of the user's events)
//   features [I, F]  of the items  weights [LAGS, 4]  row 0 for the most recent click; a column per weighting
//   state [E, F]  vectors of four: state_ef = sum over lags of weights_lag features[item at this lag of e]_f
//   A user's events are consecutive. A lag without a click of the user adds nothing.
//   A row of features is padded to whole vectors of four: 4 F4 numbers.
//
// Your task    loop back from e over the events that fed an item: at most LAGS clicks, and no clicks of
//              another user.
// Then         let an invocation own four features ("// grid: F4, E"): it reads a vec4f of features and a
//              vec4f of weights for 16 multiplications. A row of state has F vectors, not 4 F4. Then let it
//              own four consecutive events, whose windows of last clicks are almost the same.
//              pw_table_forward.wgsl does that.
// Rules        kernels/README.md, "The exercises". Letters of the grid: E, F, F4.
// grid: F, E

const WORKGROUP = 16;
const WORKGROUP_Y = 4;
const F = 16u;
const F4 = 4u;
const LAGS = 20u;
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: E

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> history: array<vec2u>;
@group(0) @binding(2) var<storage, read> features: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP, WORKGROUP_Y)
fn last_clicks(@builtin(global_invocation_id) id: vec3u) {
  let f = id.x;
  let e = id.y;
  if (f >= F || e >= step.size.y) { return; }
  let clicks = history[e].x;
  var sum = vec4f(0.0);
  // YOUR CODE: for each lag with a click, weights[lag] times the clicked item's features[item * 4 * F4 + f].
  state[e * F + f] = sum;
}

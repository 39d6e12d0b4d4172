// lstm_forward_1_naive.wgsl - an LSTM over the history of every user, number by number
//   input [E, 4H] x of event e    weights [H, 4H] recurrent    bias [4H]      gates in the order i, g, f, o
// state [E, H] h before the event   cell [E, H] c before the event   gates [E, 4H] for the backward pass
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
// Grid         B invocations in workgroups of 8.
// Idea         one invocation, one user: nested loops over the user's events, the units, and the terms of a
//              unit's sum. A whole history is one dispatch, instead of a dispatch per event.
// On a GPU     (reasoned) slow: a batch of 128 users is 128 invocations, but a GPU needs thousands. Arrays
//              that a loop indexes do not stay in registers.
// On llvmpipe  128 users are 16 vectors of 8 lanes, enough for a few cores. The weights cost most: they are
//              read number by number from storage, 4 loads for 8 flops.

const WORKGROUP = 8;  // users
const H4 = 5u;  // H / 4
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;   // y: a user's first event
@group(0) @binding(1) var<storage, read> event: array<vec4u>;  // w: the clicked item, or NONE
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read_write> cell: array<f32>;
@group(0) @binding(7) var<storage, read_write> gates: array<f32>;
@group(0) @binding(8) var<uniform> step: Step;

const H = 4u * H4;

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-clamp(x, -30.0, 30.0))); }
fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

@compute @workgroup_size(WORKGROUP)
fn lstm_forward_1_naive(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let user = step.first_entry + id.x;
  var h: array<f32, H>;
  var c: array<f32, H>;
  var next: array<f32, H>;
  for (var j = 0u; j < H; j++) {
    h[j] = 0.0;
    c[j] = 0.0;
  }
  for (var e = plan[user].y; e < plan[user + 1u].y; e++) {
    for (var j = 0u; j < H; j++) {
      state[e * H + j] = h[j];
      cell[e * H + j] = c[j];
    }
    if (event[e].w == NONE) { continue; }
    for (var j = 0u; j < H; j++) {
      let at = e * 4u * H + j;
      var zi = input[at] + bias[j];
      var zg = input[at + H] + bias[H + j];
      var zf = input[at + 2u * H] + bias[2u * H + j];
      var zo = input[at + 3u * H] + bias[3u * H + j];
      for (var k = 0u; k < H; k++) {
        let w = k * 4u * H + j;
        zi += h[k] * weights[w];
        zg += h[k] * weights[w + H];
        zf += h[k] * weights[w + 2u * H];
        zo += h[k] * weights[w + 3u * H];
      }
      let i = sigmoid(zi);
      let g = squash(zg);
      let f = sigmoid(zf + 1.0);
      let o = sigmoid(zo);
      gates[at] = i;
      gates[at + H] = g;
      gates[at + 2u * H] = f;
      gates[at + 3u * H] = o;
      c[j] = f * c[j] + i * g;
      next[j] = o * squash(c[j]);
    }
    for (var j = 0u; j < H; j++) { h[j] = next[j]; }
  }
}

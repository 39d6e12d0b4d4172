// lstm.wgsl - exercise: an LSTM over the history of every user      (read kernels/course/3-lstm.md)
//   plan [B+1]  y: the user's first event; entry B is the end  event [E]  w: NONE if the event feeds no item
//   input [E, 4H] x of event e  weights [H, 4H] recurrent  bias [4H]  gates in the order i, g, f, o
//   state [E, H]  h before the event   cell [E, H]  c before the event   gates [E, 4H]  for the backward pass
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
//   h and c are 0 before a user's first event. An event that feeds no item leaves h and c unchanged.
//   Each gate is padded with zeros to whole vectors of four: H = 4 H4.
//
// Your task    compute the four gates and the new c and h.
// Then         B invocations are far too few for a GPU. Assign a workgroup of 4 H invocations to each user,
//              one per gate and unit: "grid: 16 H4 B", with a second line "workgroup: 16 H4", which the host
//              writes into WORKGROUP.
// Rules        kernels/README.md, "The exercises". Letters of the grid: B users, H4.
// grid: B

const WORKGROUP = 64;
const H4 = 5u;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,  // x: B
  first_entry: u32,  // index of the batch's first user in the plan buffer
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
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
fn lstm(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let user = step.first_entry + id.x;
  var h: array<f32, H>;  // all 0 at first
  var c: array<f32, H>;
  var next: array<f32, H>;
  for (var e = plan[user].y; e < plan[user + 1u].y; e++) {
    for (var j = 0u; j < H; j++) {
      state[e * H + j] = h[j];
      cell[e * H + j] = c[j];
    }
    if (event[e].w == NONE) { continue; }
    for (var j = 0u; j < H; j++) {
      let at = e * 4u * H + j;
      // YOUR CODE: the argument of gate q of unit j: input[at + q H] + bias[q H + j] + sum over k of h[k]
      // weights[k, q H + j].
      let i = 0.0;
      let g = 0.0;
      let f = 0.0;
      let o = 0.0;
      gates[at] = i;
      gates[at + H] = g;
      gates[at + 2u * H] = f;
      gates[at + 3u * H] = o;
      // YOUR CODE: the new c[j], and next[j], the new h of unit j.
      next[j] = h[j];
    }
    for (var j = 0u; j < H; j++) { h[j] = next[j]; }
  }
}

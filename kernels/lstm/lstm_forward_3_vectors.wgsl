// lstm_forward_3_vectors.wgsl - an LSTM over the history of every user, four units at a time
//   input [E, 4H] x of event e    weights [H, 4H] recurrent    bias [4H]      gates in the order i, g, f, o
// state [E, H] h before the event   cell [E, H] c before the event   gates [E, 4H] for the backward pass
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
// Grid         B invocations in workgroups of 8.
// Idea         step 1 with four neighbouring units as a vector: a vector of weights per gate and h. Each
//              loaded float serves as many products as in step 1; a loop has a quarter of the turns.
// On a GPU     (reasoned) still one invocation per user: too few of them.
// On llvmpipe  faster: a vector costs less than four numbers. The shipped kernel, lstm_forward.wgsl, also
//              multiplies four k at a time, by a mat4x4f of weights per gate.

const WORKGROUP = 8;  // users
const H4 = 5u;  // H / 4
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;   // y: a user's first event
@group(0) @binding(1) var<storage, read> event: array<vec4u>;  // w: the clicked item, or NONE
@group(0) @binding(2) var<storage, read> input: array<vec4f>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> cell: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> gates: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

fn sigmoid(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-clamp(x, vec4f(-30.0), vec4f(30.0)))); }
fn squash(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }

@compute @workgroup_size(WORKGROUP)
fn lstm_forward_3_vectors(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let user = step.first_entry + id.x;
  var h: array<vec4f, H4>;
  var c: array<vec4f, H4>;
  var next: array<vec4f, H4>;
  for (var j = 0u; j < H4; j++) {
    h[j] = vec4f(0.0);
    c[j] = vec4f(0.0);
  }
  for (var e = plan[user].y; e < plan[user + 1u].y; e++) {
    for (var j = 0u; j < H4; j++) {
      state[e * H4 + j] = h[j];
      cell[e * H4 + j] = c[j];
    }
    if (event[e].w == NONE) { continue; }
    for (var j = 0u; j < H4; j++) {
      let at = e * 4u * H4 + j;
      var zi = input[at] + bias[j];
      var zg = input[at + H4] + bias[H4 + j];
      var zf = input[at + 2u * H4] + bias[2u * H4 + j];
      var zo = input[at + 3u * H4] + bias[3u * H4 + j];
      for (var k = 0u; k < 4u * H4; k++) {
        let hk = h[k / 4u][k % 4u];
        let w = k * 4u * H4 + j;
        zi += hk * weights[w];
        zg += hk * weights[w + H4];
        zf += hk * weights[w + 2u * H4];
        zo += hk * weights[w + 3u * H4];
      }
      let i = sigmoid(zi);
      let g = squash(zg);
      let f = sigmoid(zf + 1.0);
      let o = sigmoid(zo);
      gates[at] = i;
      gates[at + H4] = g;
      gates[at + 2u * H4] = f;
      gates[at + 3u * H4] = o;
      c[j] = f * c[j] + i * g;
      next[j] = o * squash(c[j]);
    }
    for (var j = 0u; j < H4; j++) { h[j] = next[j]; }
  }
}

// lstm_forward.wgsl - the whole history of every user in one dispatch
//
//   input  [., 4H]  W_x x: row e for event e, or with TABLE row i for item i (one-hot features: a look-up)
//   weights [H, 4H] recurrent       bias [4H]      gates in the order i, g, f, o
//   state  [E, H]   h before the event          cell [E, H]   c before the event
//   gates  [E, 4H]  activations, for lstm_backward
//
//   c' = sigmoid(f + 1) c + sigmoid(i) tanh(g)      h' = sigmoid(o) tanh(c')
//
// h and c are zero before a user's first event. An event without a click hands them on unchanged.
//
// Work split   one invocation owns one user and loops over her events; h and c stay in private memory, no barrier.
//              The time of a step is the longest history. For a CPU adapter; a GPU would take a workgroup a user.
// Cost         8 H^2 flops an event, weights from cache.      Backward   lstm_backward.wgsl

const WORKGROUP = 8;
const H4 = 5u;  // H / 4
const TABLE = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // B users, E events, R rows, D distinct items of this batch
  first_user: u32,     // where the batch starts in the plan
  slot: u32,           // where its results go in the ring
  chunks: u32,         // partial sums of each weight gradient
  learning_rate: f32,  // Adam's bias-corrected rate
  iteration: u32,
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read> input: array<vec4f>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> cell: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> gates: array<vec4f>;
@group(0) @binding(8) var<uniform> step: Step;

// Clamps and exp swallow what is no finite number: by its exponent bits it is found and handed on.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// The clamps keep exp far from overflow; sigmoid is 1e-13 there.
fn sigmoid(x: vec4f) -> vec4f {
  return select(1.0 / (1.0 + exp(-clamp(x, vec4f(-30.0), vec4f(30.0)))), x, broken(x));
}
fn squash(x: vec4f) -> vec4f { return select(tanh(clamp(x, vec4f(-15.0), vec4f(15.0))), x, broken(x)); }

// Four rows of the recurrent weights, four columns: W^T h for four units of h.
fn block(k: u32, column: u32) -> mat4x4f {
  let at = k * 16u * H4 + column;
  return mat4x4f(weights[at], weights[at + 4u * H4], weights[at + 8u * H4], weights[at + 12u * H4]);
}

@compute @workgroup_size(WORKGROUP)
fn lstm_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let user = id.x + id.y * (grid.x * WORKGROUP);
  if (user >= step.size.x) { return; }
  let first = plan[step.first_user + user].y;
  let end = plan[step.first_user + user + 1u].y;
  var h: array<vec4f, H4>;
  var c: array<vec4f, H4>;
  var next: array<vec4f, H4>;
  for (var j = 0u; j < H4; j++) {
    h[j] = vec4f(0.0);
    c[j] = vec4f(0.0);
  }
  for (var e = first; e < end; e++) {
    for (var j = 0u; j < H4; j++) {
      state[e * H4 + j] = h[j];
      cell[e * H4 + j] = c[j];
    }
    let fed = event[e].w;
    if (fed == NONE) { continue; }
    let x = select(e, fed, TABLE) * 4u * H4;
    for (var j = 0u; j < H4; j++) {
      var zi = input[x + j] + bias[j];
      var zg = input[x + H4 + j] + bias[H4 + j];
      var zf = input[x + 2u * H4 + j] + bias[2u * H4 + j];
      var zo = input[x + 3u * H4 + j] + bias[3u * H4 + j];
      for (var k = 0u; k < H4; k++) {
        let hk = h[k];
        zi += block(k, j) * hk;
        zg += block(k, H4 + j) * hk;
        zf += block(k, 2u * H4 + j) * hk;
        zo += block(k, 3u * H4 + j) * hk;
      }
      let i = sigmoid(zi);
      let g = squash(zg);
      let f = sigmoid(zf + 1.0);
      let o = sigmoid(zo);
      let at = e * 4u * H4 + j;
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

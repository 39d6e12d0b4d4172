// lstm_backward_3_vectors.wgsl - back-propagation through the history of every user, four gates at a time
//   state_gradient [E, H] d loss / d state   gates [E, 4H], cell [E, H] of the forward pass   weights [H, 4H]
//   gate_gradient  [E, 4H] d loss / d (argument of each gate), 0 for an event that fed no item
//   t = tanh(f c + i g)      d = dc + dh o (1 - t^2)      dc' = d f      dh' = dz W^T + state_gradient
//   dz = (d g i (1 - i), d i (1 - g^2), d c f (1 - f), dh t o (1 - o))
// Grid         B invocations in workgroups of 8.
// Idea         step 1 with vectors of four: the gates of four units at once, and dz W^T by dot().
// On a GPU     (reasoned) still one invocation per user: too few of them.
// On llvmpipe  faster: a vector costs less than four numbers. The shipped kernel, lstm_backward.wgsl, also
//              computes four units of the sum at a time: a vector of dz times a mat4x4f of weights.

const WORKGROUP = 8;  // users
const H4 = 5u;  // H / 4
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;   // y: a user's first event
@group(0) @binding(1) var<storage, read> event: array<vec4u>;  // w: the clicked item, or NONE
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> cell: array<vec4f>;
@group(0) @binding(4) var<storage, read> gates: array<vec4f>;
@group(0) @binding(5) var<storage, read> state_gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> gate_gradient: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;

fn squash(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }

@compute @workgroup_size(WORKGROUP)
fn lstm_backward_3_vectors(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let user = step.first_entry + id.x;
  let first = plan[user].y;
  var dh: array<vec4f, H4>;
  var dc: array<vec4f, H4>;
  var dz: array<vec4f, 4u * H4>;
  for (var j = 0u; j < H4; j++) {
    dh[j] = vec4f(0.0);
    dc[j] = vec4f(0.0);
  }
  for (var e = plan[user + 1u].y; e > first;) {
    e--;
    let at = e * 4u * H4;
    if (event[e].w == NONE) {
      for (var q = 0u; q < 4u * H4; q++) { gate_gradient[at + q] = vec4f(0.0); }
    } else {
      for (var j = 0u; j < H4; j++) {
        let i = gates[at + j];
        let g = gates[at + H4 + j];
        let f = gates[at + 2u * H4 + j];
        let o = gates[at + 3u * H4 + j];
        let before = cell[e * H4 + j];
        let t = squash(f * before + i * g);
        let d = dc[j] + dh[j] * o * (1.0 - t * t);
        dz[j] = d * g * i * (1.0 - i);
        dz[H4 + j] = d * i * (1.0 - g * g);
        dz[2u * H4 + j] = d * before * f * (1.0 - f);
        dz[3u * H4 + j] = dh[j] * t * o * (1.0 - o);
        dc[j] = d * f;
      }
      for (var q = 0u; q < 4u * H4; q++) { gate_gradient[at + q] = dz[q]; }
      for (var k = 0u; k < 4u * H4; k++) {
        var sum = 0.0;
        for (var q = 0u; q < 4u * H4; q++) { sum += dot(dz[q], weights[k * 4u * H4 + q]); }
        dh[k / 4u][k % 4u] = sum;
      }
    }
    for (var j = 0u; j < H4; j++) { dh[j] += state_gradient[e * H4 + j]; }
  }
}

// lstm_backward_1_naive.wgsl - back-propagation through the history of every user, number by number
//   state_gradient [E, H] d loss / d state   gates [E, 4H], cell [E, H] of the forward pass   weights [H, 4H]
//   gate_gradient  [E, 4H] d loss / d (argument of each gate), 0 for an event that fed no item
//   t = tanh(f c + i g)      d = dc + dh o (1 - t^2)      dc' = d f      dh' = dz W^T + state_gradient
//   dz = (d g i (1 - i), d i (1 - g^2), d c f (1 - f), dh t o (1 - o))
// Grid         B invocations in workgroups of 8.
// Idea         one invocation, one user: the events from last to first, number by number, as in
//              lstm_forward_1_naive.wgsl.
// On a GPU     (reasoned) slow, as the forward kernel: too few invocations, and arrays outside of registers.
// On llvmpipe  W^T is read along the rows of W here, so the loads of one sum are contiguous in memory. Each
//              load still reads one number for 2 flops.

const WORKGROUP = 8;  // users
const H4 = 5u;  // H / 4
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;   // y: a user's first event
@group(0) @binding(1) var<storage, read> event: array<vec4u>;  // w: the clicked item, or NONE
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> cell: array<f32>;
@group(0) @binding(4) var<storage, read> gates: array<f32>;
@group(0) @binding(5) var<storage, read> state_gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> gate_gradient: array<f32>;
@group(0) @binding(7) var<uniform> step: Step;

const H = 4u * H4;

fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

@compute @workgroup_size(WORKGROUP)
fn lstm_backward_1_naive(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let user = step.first_entry + id.x;
  let first = plan[user].y;
  var dh: array<f32, H>;
  var dc: array<f32, H>;
  var dz: array<f32, 4u * H>;
  for (var j = 0u; j < H; j++) {
    dh[j] = 0.0;
    dc[j] = 0.0;
  }
  for (var e = plan[user + 1u].y; e > first;) {
    e--;
    let at = e * 4u * H;
    if (event[e].w == NONE) {
      for (var q = 0u; q < 4u * H; q++) { gate_gradient[at + q] = 0.0; }
    } else {
      for (var j = 0u; j < H; j++) {
        let i = gates[at + j];
        let g = gates[at + H + j];
        let f = gates[at + 2u * H + j];
        let o = gates[at + 3u * H + j];
        let before = cell[e * H + j];
        let t = squash(f * before + i * g);
        let d = dc[j] + dh[j] * o * (1.0 - t * t);
        dz[j] = d * g * i * (1.0 - i);
        dz[H + j] = d * i * (1.0 - g * g);
        dz[2u * H + j] = d * before * f * (1.0 - f);
        dz[3u * H + j] = dh[j] * t * o * (1.0 - o);
        dc[j] = d * f;
      }
      for (var q = 0u; q < 4u * H; q++) { gate_gradient[at + q] = dz[q]; }
      for (var k = 0u; k < H; k++) {
        var sum = 0.0;
        for (var q = 0u; q < 4u * H; q++) { sum += dz[q] * weights[k * 4u * H + q]; }
        dh[k] = sum;
      }
    }
    for (var j = 0u; j < H; j++) { dh[j] += state_gradient[e * H + j]; }
  }
}

// lstm_backward.wgsl - back-propagation through time, the whole history of every user in one dispatch
//
//   state_gradient [E, H]   d loss / d state      gates [E, 4H], cell [E, H]   from lstm_forward
//   gate_gradient  [E, 4H]  d loss / d (what went into each gate); 0 for an event that fed nothing
//
// From it follow the gradients of the input product (it is the gradient itself), of the recurrent weights
// (state^T gate_gradient) and of the bias (its column sums): matmul_weight_gradient.
//
// Work split   one invocation owns one user and loops over her events from the last to the first.
// Cost         8 H^2 flops an event.      Forward   lstm_forward.wgsl

const WORKGROUP = 8;
const H4 = 5u;  // H / 4
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
@group(0) @binding(2) var<storage, read> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read> cell: array<vec4f>;
@group(0) @binding(4) var<storage, read> gates: array<vec4f>;
@group(0) @binding(5) var<storage, read> state_gradient: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> gate_gradient: array<vec4f>;
@group(0) @binding(7) var<uniform> step: Step;


fn squash(x: vec4f) -> vec4f { return tanh(clamp(x, vec4f(-15.0), vec4f(15.0))); }

@compute @workgroup_size(WORKGROUP)
fn lstm_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let user = id.x + id.y * (grid.x * WORKGROUP);
  if (user >= step.size.x) { return; }
  let first = plan[step.first_user + user].y;
  let end = plan[step.first_user + user + 1u].y;
  var dh: array<vec4f, H4>;
  var dc: array<vec4f, H4>;
  var dz: array<vec4f, 4u * H4>;
  for (var j = 0u; j < H4; j++) {
    dh[j] = vec4f(0.0);
    dc[j] = vec4f(0.0);
  }
  for (var e = end; e > first;) {
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
      for (var k = 0u; k < H4; k++) {
        var sum = vec4f(0.0);
        let row = k * 16u * H4;
        for (var q = 0u; q < 4u * H4; q++) {
          sum += dz[q] * mat4x4f(
            weights[row + q],
            weights[row + 4u * H4 + q],
            weights[row + 8u * H4 + q],
            weights[row + 12u * H4 + q],
          );
        }
        dh[k] = sum;
      }
    }
    for (var j = 0u; j < H4; j++) { dh[j] += state_gradient[e * H4 + j]; }
  }
}

// lstm_backward.wgsl - exercise: back-propagation through time      (read kernels/course/3-lstm.md)
//   plan [B+1]  y: the user's first event; entry B is the end  event [E]  w: NONE if the event fed no item
//   weights [H, 4H] recurrent  cell [E, H] c before the event, gates [E, 4H] i, g, f, o: of the forward pass
//   state_gradient [E, H]  d loss / d (state before event e)
//   gate_gradient [E, 4H]  d loss / d (argument of the gate's sigmoid or tanh); 0 if the event fed no item
//   Each gate is padded with zeros to whole vectors of four: H = 4 H4.
//
// Your task    loop from a user's last event to the first, with dh and dc, the gradients of h and c after the
//              event. Compute the four gate gradients, and dc and dh before the event.
// Then         as in lstm.wgsl: a workgroup per user, "grid: 16 H4 B" with a second line "workgroup: 16 H4".
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
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> cell: array<f32>;
@group(0) @binding(4) var<storage, read> gates: array<f32>;
@group(0) @binding(5) var<storage, read> state_gradient: array<f32>;
@group(0) @binding(6) var<storage, read_write> gate_gradient: array<f32>;
@group(0) @binding(7) var<uniform> step: Step;

const H = 4u * H4;

fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

@compute @workgroup_size(WORKGROUP)
fn lstm_backward(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let user = step.first_entry + id.x;
  let first = plan[user].y;
  var dh: array<f32, H>;  // all 0 at first
  var dc: array<f32, H>;
  var dz: array<f32, 4u * H>;
  for (var e = plan[user + 1u].y; e > first;) {
    e--;
    let at = e * 4u * H;
    let fed = event[e].w != NONE;
    if (fed) {
      for (var j = 0u; j < H; j++) {
        let i = gates[at + j];
        let g = gates[at + H + j];
        let f = gates[at + 2u * H + j];
        let o = gates[at + 3u * H + j];
        let before = cell[e * H + j];
        let t = squash(f * before + i * g);
        // YOUR CODE: from dh[j] and dc[j] the gradients of the gates' arguments, and that of `before`.
        dz[j] = 0.0;
        dz[H + j] = 0.0;
        dz[2u * H + j] = 0.0;
        dz[3u * H + j] = o * t;
        dc[j] = dc[j];
      }
      // YOUR CODE: dh[k], the gradient of the state before the event: the sum over q of dz[q] weights[k, q].
    }
    for (var q = 0u; q < 4u * H; q++) { gate_gradient[at + q] = select(0.0, dz[q], fed); }
    // Other layers also read the state before the event.
    for (var j = 0u; j < H; j++) { dh[j] += state_gradient[e * H + j]; }
  }
}

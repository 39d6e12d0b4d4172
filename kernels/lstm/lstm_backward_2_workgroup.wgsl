// lstm_backward_2_workgroup.wgsl - back-propagation through the history of every user, a workgroup per user
//   state_gradient [E, H] d loss / d state   gates [E, 4H], cell [E, H] of the forward pass   weights [H, 4H]
//   gate_gradient  [E, 4H] d loss / d (argument of each gate), 0 for an event that fed no item
//   t = tanh(f c + i g)      d = dc + dh o (1 - t^2)      dc' = d f      dh' = dz W^T + state_gradient
//   dz = (d g i (1 - i), d i (1 - g^2), d c f (1 - f), dh t o (1 - o))
// Grid         a workgroup of 4 H invocations (80 in this text) per user, H padded.
// Idea         4H invocations per user. The first H compute dz of one unit each and store it in workgroup
//              memory. Then each of the 4H adds up a quarter of one unit's dz W^T, and the first H add up the
//              quarters: three barriers per event.
// On a GPU     (reasoned) faster, as lstm_forward_2_workgroup.wgsl: 80 invocations per user for H = 20.
// On llvmpipe  slower: barriers spill registers, and the cores were already busy in step 1.

const WORKGROUP = 80;  // 4H: each adds up a quarter of a unit's sum; 16 H4, at most 256
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

var<workgroup> dz: array<f32, 4u * H>;
var<workgroup> quarter: array<f32, 4u * H>;
var<workgroup> first: u32;
var<workgroup> end: u32;
var<workgroup> fed: u32;

fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

@compute @workgroup_size(WORKGROUP)
fn lstm_backward_2_workgroup(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  if (local == 0u) {
    first = plan[step.first_entry + group.x].y;
    end = plan[step.first_entry + group.x + 1u].y;
  }
  let unit = local % H;
  let part = local / H;
  var dh = 0.0;  // dh and dc belong to the first H invocations
  var dc = 0.0;
  // All invocations must reach each barrier, so values that decide branches before it are read as uniform.
  let begin = workgroupUniformLoad(&first);
  let stop = workgroupUniformLoad(&end);
  for (var e = stop; e > begin;) {
    e--;
    let at = e * 4u * H;
    if (local == 0u) { fed = event[e].w; }
    if (workgroupUniformLoad(&fed) == NONE) {
      gate_gradient[at + local] = 0.0;
    } else {
      if (local < H) {
        let i = gates[at + unit];
        let g = gates[at + H + unit];
        let f = gates[at + 2u * H + unit];
        let o = gates[at + 3u * H + unit];
        let before = cell[e * H + unit];
        let t = squash(f * before + i * g);
        let d = dc + dh * o * (1.0 - t * t);
        dz[unit] = d * g * i * (1.0 - i);
        dz[H + unit] = d * i * (1.0 - g * g);
        dz[2u * H + unit] = d * before * f * (1.0 - f);
        dz[3u * H + unit] = dh * t * o * (1.0 - o);
        dc = d * f;
      }
      workgroupBarrier();
      gate_gradient[at + local] = dz[local];
      var sum = 0.0;
      for (var q = 0u; q < H; q++) { sum += dz[part * H + q] * weights[(unit * 4u + part) * H + q]; }
      quarter[local] = sum;
      workgroupBarrier();
      if (local < H) { dh = quarter[unit] + quarter[H + unit] + quarter[2u * H + unit] + quarter[3u * H + unit]; }
    }
    if (local < H) { dh += state_gradient[e * H + unit]; }
    workgroupBarrier();
  }
}

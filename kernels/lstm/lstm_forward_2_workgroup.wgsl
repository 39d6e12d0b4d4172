// lstm_forward_2_workgroup.wgsl - an LSTM over the history of every user, a workgroup per user
//   input [E, 4H] x of event e    weights [H, 4H] recurrent    bias [4H]      gates in the order i, g, f, o
// state [E, H] h before the event   cell [E, H] c before the event   gates [E, 4H] for the backward pass
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
// Grid         a workgroup of 4 H invocations (80 in this text) per user, H padded.
// Idea         the 4H gates of an event are independent, so each has an invocation. h and the gates are in
//              workgroup memory, with four barriers per event, two of them in workgroupUniformLoad. Then the
//              first H invocations compute the new c and h.
// On a GPU     (reasoned) faster: 80 times the invocations for H = 20, and neighbours read neighbouring
//              weights.
// On llvmpipe  slower: the cores were already busy in step 1, eight lanes load what one lane loaded there,
//              and each barrier saves and restores the registers of every 8 invocations.

const WORKGROUP = 80;  // 4H: one invocation per gate of a unit; 16 H4, at most 256
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

var<workgroup> h: array<f32, H>;
var<workgroup> gate: array<f32, 4u * H>;
var<workgroup> first: u32;
var<workgroup> end: u32;
var<workgroup> fed: u32;

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-clamp(x, -30.0, 30.0))); }
fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

@compute @workgroup_size(WORKGROUP)
fn lstm_forward_2_workgroup(@builtin(local_invocation_index) local: u32, @builtin(workgroup_id) group: vec3u) {
  if (local == 0u) {
    first = plan[step.first_entry + group.x].y;
    end = plan[step.first_entry + group.x + 1u].y;
  }
  if (local < H) { h[local] = 0.0; }
  var c = 0.0;
  // All invocations must reach each barrier, so values that decide branches before it are read as uniform.
  let begin = workgroupUniformLoad(&first);
  let stop = workgroupUniformLoad(&end);
  for (var e = begin; e < stop; e++) {
    if (local < H) {
      state[e * H + local] = h[local];
      cell[e * H + local] = c;
    }
    if (local == 0u) { fed = event[e].w; }
    if (workgroupUniformLoad(&fed) == NONE) { continue; }
    var z = input[e * 4u * H + local] + bias[local];
    for (var k = 0u; k < H; k++) { z += h[k] * weights[k * 4u * H + local]; }
    var a = 0.0;
    if (local / H == 1u) { a = squash(z); } else { a = sigmoid(select(z, z + 1.0, local / H == 2u)); }
    gates[e * 4u * H + local] = a;
    gate[local] = a;
    workgroupBarrier();
    if (local < H) {
      c = gate[2u * H + local] * c + gate[local] * gate[H + local];
      h[local] = gate[3u * H + local] * squash(c);
    }
    workgroupBarrier();
  }
}

// lstm_backward_group.wgsl - lstm_backward.wgsl with one invocation per unit and user
//   What it computes and writes: see lstm_backward.wgsl.
// For          a GPU      For more than 256 units   lstm_backward.wgsl
// On a CPU adapter  lstm_backward_panel.wgsl
// Grid         a workgroup of USERS H invocations (60 in this text) per USERS users, H padded.
// Work split   a workgroup owns USERS users and loops over their events in parallel, from the last to the
//              first. An invocation owns one unit of one user: dz of the unit's four gates, dc and dh.
//              Workgroup memory passes dz to the other invocations.
// On a GPU     (reasoned) one barrier per event, four chains of multiply-adds, and an event's inputs are read
//              one event ahead, as in lstm_forward_group.wgsl, which also explains the workgroup's size.
//              Loads of gates, cell and both gradients are coalesced. dh = dz W^T runs along the rows of W,
//              so neighbours would read numbers that are 4H apart. Up to 32 units an invocation keeps its row
//              of W in registers (HELD). For more units workgroup memory contains the transposed W (KEPT):
//              neighbours read neighbouring vectors, without a bank conflict. If W does not fit there, each
//              invocation reads separate cache lines. dz is a broadcast.
//   compiled: navi31 120 VGPRs, 12 subgroups per SIMD, 533 instructions (with the sum as an inner loop, its
//              weights in 7,168 bytes and a user per workgroup: 48, 5 of 20 lanes, 812); mi200 128, 2 of 60
//              lanes, 475 (36, 3 of 20, 766); subgroups 1, because the weights of more than 32 units take
//              most of workgroup memory, and on MI200 the weights in registers take most registers
// On llvmpipe  slower than lstm_backward_panel.wgsl, because barriers are expensive: bench/ladder.md
// Cost         8 H^2 flops per event, 16 H^2 bytes per user.      Forward   lstm_forward_group.wgsl

const WORKGROUP = 60;  // USERS H
const H4 = 5u;  // H / 4
const USERS = 3u;  // users per workgroup
const HELD = true;  // an invocation holds its unit's weights in registers
const KEPT = 1u;  // vectors of weights in workgroup memory: H^2, or 1 if HELD or too large
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
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
const HELD_WEIGHTS = select(1u, H, HELD);

var<workgroup> kept: array<vec4f, KEPT>;          // (j, unit): weights from h_unit to the gates of unit j
var<workgroup> dz: array<vec4f, 2u * USERS * H>;  // two copies of all users' dz, used by turns
var<workgroup> longest: u32;

fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

// Returns the weights from h_unit to the gates of unit j.
fn read_weight(j: u32, unit: u32) -> vec4f {
  let at = unit * 4u * H + j;
  return vec4f(weights[at], weights[at + H], weights[at + 2u * H], weights[at + 3u * H]);
}
fn weight(j: u32, unit: u32) -> vec4f {
  if (KEPT > 1u) { return kept[j * H + unit]; }
  return read_weight(j, unit);
}

// What the backward step through event e reads for one unit.
struct Saved { fed: u32, gates: vec4f, before: f32, gradient: f32 }

// The gates are read even if the event fed no item: a condition would delay the other loads.
fn read_event(e: u32, on: bool, unit: u32) -> Saved {
  if (!on) { return Saved(NONE, vec4f(0.0), 0.0, 0.0); }
  let at = e * 4u * H + unit;
  return Saved(
    event[e].w,
    vec4f(gates[at], gates[at + H], gates[at + 2u * H], gates[at + 3u * H]),
    cell[e * H + unit],
    state_gradient[e * H + unit],
  );
}

// Returns a user's first event; past the last user, the end of all events.
fn first_event(user: u32) -> u32 { return plan[step.first_entry + min(user, step.size.x)].y; }

// Returns dz W^T. A separate function, because Deno's compiler makes a loop inside a loop slow.
fn back(at: u32, unit: u32, held: ptr<function, array<vec4f, HELD_WEIGHTS>>) -> vec4f {
  var sum = vec4f(0.0);
  for (var j = 0u; j < H; j++) {
    if (HELD) { sum += dz[at + j] * (*held)[j]; } else { sum += dz[at + j] * weight(j, unit); }
  }
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn lstm_backward_group(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let first_user = (group.x + group.y * grid.x) * USERS;
  if (KEPT > 1u) {
    // Read along the rows: coalesced. The stores then conflict in banks, but only once per dispatch.
    for (var i = local; i < KEPT; i += WORKGROUP) { kept[(i % H) * H + i / H] = read_weight(i % H, i / H); }
  }
  if (local == 0u) {
    var most = 0u;
    for (var k = 0u; k < USERS; k++) {
      most = max(most, first_event(first_user + k + 1u) - first_event(first_user + k));
    }
    longest = most;
  }
  // All invocations must reach each barrier equally often: steps is read as uniform. The read is a barrier.
  let steps = workgroupUniformLoad(&longest);
  let own = local / H;
  let unit = local % H;
  var held: array<vec4f, HELD_WEIGHTS>;
  for (var j = 0u; j < H && HELD; j++) { held[j] = read_weight(j, unit); }
  let end = first_event(first_user + own + 1u);
  let count = end - first_event(first_user + own);
  var now = read_event(end - 1u, count > 0u, unit);
  var dh = 0.0;
  var dc = 0.0;
  for (var t = 0u; t < steps; t++) {
    let e = end - 1u - t;
    let next = read_event(e - 1u, t + 1u < count, unit);
    var d = vec4f(0.0);
    if (now.fed != NONE) {
      let i = now.gates.x;
      let g = now.gates.y;
      let f = now.gates.z;
      let o = now.gates.w;
      let squashed = squash(f * now.before + i * g);
      let d_cell = dc + dh * o * (1.0 - squashed * squashed);
      d = vec4f(
        d_cell * g * i * (1.0 - i),
        d_cell * i * (1.0 - g * g),
        d_cell * now.before * f * (1.0 - f),
        dh * squashed * o * (1.0 - o),
      );
      dc = d_cell * f;
    }
    if (t < count) {
      let at = e * 4u * H + unit;
      gate_gradient[at] = d.x;
      gate_gradient[at + H] = d.y;
      gate_gradient[at + 2u * H] = d.z;
      gate_gradient[at + 3u * H] = d.w;
    }
    let turn = (t % 2u) * USERS * H;
    dz[turn + local] = d;
    workgroupBarrier();
    if (now.fed != NONE) {
      let sum = back(turn + own * H, unit, &held);
      dh = (sum.x + sum.y) + (sum.z + sum.w);
    }
    dh += now.gradient;
    now = next;
  }
}

// lstm_backward_group.wgsl - lstm_backward.wgsl with an invocation for each unit of each user
//
//   What it computes and writes: see lstm_backward.wgsl.
//
// For          a GPU      Of more than 256 units   lstm_backward.wgsl      On a CPU adapter   lstm_backward_panel.wgsl
// Grid         a workgroup of USERS H invocations (60 in this text) for each USERS users, H padded.
// Work split   a workgroup owns USERS users and walks their events side by side, from the last to the first. An invocation owns
//              one unit of one user: dz of its four gates, dc and dh. dz is passed to the others through workgroup memory.
// On a GPU     (reasoned) one barrier per event, four chains of multiply-adds, and what an event needs is read one event ahead,
//              as in lstm_forward_group.wgsl, where the workgroup's size is reasoned, too. Loads: gates, cell and both
//              gradients are coalesced. dh = dz W^T runs along the rows of W, so neighbours would read numbers that are 4H
//              apart. up to 32 units an invocation holds its row of W in registers (HELD). Of more, workgroup memory has W
//              transposed (KEPT): neighbours read neighbouring vectors, without a bank conflict. Where W does not fit there,
//              each invocation uses up cache lines of its own. dz is a broadcast.
//   compiled: navi31 120 VGPRs, 12 subgroups per SIMD, 533 instructions (with the sum as a loop inside a loop, its weights in
//              7,168 bytes and a user per workgroup: 48, 5 of 20 lanes, 812); mi200 128, 2 of 60 lanes, 475 (36, 3 of 20, 766);
//              subgroups 1, because the weights of more than 32 units take most of workgroup memory, and on MI200 held ones
//              most registers
// On llvmpipe  slower than lstm_backward_panel.wgsl, as barriers are expensive there: bench/ladder.md
// Cost         8 H^2 flops per event, 16 H^2 bytes per user.      Forward   lstm_forward_group.wgsl

const WORKGROUP = 60;  // USERS H
const H4 = 5u;  // H / 4
const USERS = 3u;  // of a workgroup
const HELD = true;  // an invocation holds its unit's weights in registers
const KEPT = 1u;  // weights in workgroup memory, of four gates each: H^2, or 1 where they are held or do not fit
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of clicks: B users, E events, R rows, D distinct items
  first_entry: u32,    // where the batch starts in the plan
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

var<workgroup> kept: array<vec4f, KEPT>;          // (j, unit): the weights from h_unit to the gates of unit j
var<workgroup> dz: array<vec4f, 2u * USERS * H>;  // of all users, twice: they take turns
var<workgroup> longest: u32;

fn squash(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }

// The weights from h_unit to the gates of unit j.
fn read_weight(j: u32, unit: u32) -> vec4f {
  let at = unit * 4u * H + j;
  return vec4f(weights[at], weights[at + H], weights[at + 2u * H], weights[at + 3u * H]);
}
fn weight(j: u32, unit: u32) -> vec4f {
  if (KEPT > 1u) { return kept[j * H + unit]; }
  return read_weight(j, unit);
}

// What the way back through event e needs, of one unit.
struct Saved { fed: u32, gates: vec4f, before: f32, gradient: f32 }

// The gates of an event that fed nothing are not used: to ask first would be a load that the others wait for.
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

// The first event of a user; past the last user, the end of all events.
fn first_event(user: u32) -> u32 { return plan[step.first_entry + min(user, step.size.x)].y; }

// dz W^T; a function of its own, as Deno's compiler makes a loop inside a loop dear.
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
    // Read along the rows: coalesced. So the stores conflict in banks, once a dispatch.
    for (var i = local; i < KEPT; i += WORKGROUP) { kept[(i % H) * H + i / H] = read_weight(i % H, i / H); }
  }
  if (local == 0u) {
    var most = 0u;
    for (var k = 0u; k < USERS; k++) {
      most = max(most, first_event(first_user + k + 1u) - first_event(first_user + k));
    }
    longest = most;
  }
  // All invocations must reach a barrier as often, so the number of turns is read as a uniform one. This is a barrier, too.
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

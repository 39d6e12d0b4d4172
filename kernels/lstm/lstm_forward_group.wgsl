// lstm_forward_group.wgsl - lstm_forward.wgsl with one invocation per unit and user
//   What it computes and writes: see lstm_forward.wgsl.
// For          a GPU      For more than 256 units   lstm_forward.wgsl
// On a CPU adapter  lstm_forward_panel.wgsl
// Grid         a workgroup of USERS H invocations (60 in this text) per USERS users, H padded.
// Work split   a workgroup owns USERS users and loops over their events in parallel, up to its longest
//              history. An invocation owns one unit of one user: the unit's four gates, c and h. Workgroup
//              memory passes h to the other invocations.
// On a GPU     (reasoned) the loop is serial, so latency per event is the limit, not bandwidth. One
//              invocation computes all gates of a unit, so c and h need nothing from others. h has two
//              copies, used by turns, so one barrier per event is enough. z is four independent chains of
//              multiply-adds, enough to hide their latency. The next event's item and input are read before
//              this event's sum: they are two dependent loads, which would take longer than the sum.
//   Loads      neighbours own neighbouring units, so input, weights, state, cell and gates are coalesced; h
//              in workgroup memory is a broadcast. Up to 32 units an invocation keeps its unit's 4 H weights
//              in registers (HELD). From workgroup memory (KEPT) four products need 16 bytes, more than a
//              core's workgroup memory delivers to its subgroups. Larger weights come from the cache.
//   Workgroup  H invocations per user, and USERS that fill 64 (3 users of 20 units: 60). All users wait for
//              the longest history; src/autotune may choose 1 or 4 users.
//   compiled: navi31 120 VGPRs, 12 subgroups per SIMD, 636 instructions (with the sum as an inner loop, its
//              weights in 6,656 bytes and a user per workgroup: 48, 5 of 20 lanes, 835); mi200 128, 2 of 60
//              lanes, 582 (44, 3 of 20, 788); subgroups 1, because the weights of more than 32 units take
//              most of workgroup memory, and on MI200 the weights in registers take most registers
// On llvmpipe  slower than lstm_forward_panel.wgsl, because barriers are expensive: bench/ladder.md
// Cost         8 H^2 flops per event, 16 H^2 bytes per user.      Backward   lstm_backward_group.wgsl

const WORKGROUP = 60;  // USERS H
const H4 = 5u;  // H / 4
const USERS = 3u;  // users per workgroup
const HELD = true;  // an invocation holds its unit's weights in registers
const KEPT = 1u;  // vectors of weights in workgroup memory: H^2, or 1 if HELD or too large
const TABLE = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
}

@group(0) @binding(0) var<storage, read> plan: array<vec4u>;
@group(0) @binding(1) var<storage, read> event: array<vec4u>;
@group(0) @binding(2) var<storage, read> input: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read_write> cell: array<f32>;
@group(0) @binding(7) var<storage, read_write> gates: array<f32>;
@group(0) @binding(8) var<uniform> step: Step;

const H = 4u * H4;
const HELD_WEIGHTS = select(1u, H, HELD);

var<workgroup> kept: array<vec4f, KEPT>;       // (k, unit): weights from h_k to the unit's gates
var<workgroup> h: array<f32, 2u * USERS * H>;  // two copies of all users' h, used by turns; initially 0
var<workgroup> longest: u32;

// NaN and infinity are passed on, detected by exponent bits: clamp, exp, tanh may make them ordinary numbers.
fn broken(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u; }

// The clamp keeps exp far from overflow. At its ends sigmoid differs from 0 or 1 by at most 1e-13.
fn sigmoid(x: f32) -> f32 { return select(1.0 / (1.0 + exp(-clamp(x, -30.0, 30.0))), x, broken(x)); }
fn squash(x: f32) -> f32 { return select(tanh(clamp(x, -15.0, 15.0)), x, broken(x)); }

// Returns the weights from h_k to the unit's gates.
fn read_weight(k: u32, unit: u32) -> vec4f {
  let at = k * 4u * H + unit;
  return vec4f(weights[at], weights[at + H], weights[at + 2u * H], weights[at + 3u * H]);
}
fn weight(k: u32, unit: u32) -> vec4f {
  if (KEPT > 1u) { return kept[k * H + unit]; }
  return read_weight(k, unit);
}

// Returns what the input of event e adds to the unit's gates.
fn fed_gates(e: u32, fed: u32, unit: u32) -> vec4f {
  if (fed == NONE) { return vec4f(0.0); }
  let at = select(e, fed, TABLE) * 4u * H + unit;
  return vec4f(input[at], input[at + H], input[at + 2u * H], input[at + 3u * H]);
}

// Returns the item that event e feeds, or NONE.
fn fed_by(e: u32, end: u32) -> u32 {
  if (e >= end) { return NONE; }
  return event[e].w;
}

// Returns a user's first event; past the last user, the end of all events.
fn first_event(user: u32) -> u32 { return plan[step.first_entry + min(user, step.size.x)].y; }

// Returns the recurrent sum. A separate function, because Deno's compiler makes a loop inside a loop slow.
fn recurrent(x: vec4f, at: u32, unit: u32, held: ptr<function, array<vec4f, HELD_WEIGHTS>>) -> vec4f {
  var z = x;
  for (var k = 0u; k < H; k++) {
    if (HELD) { z += h[at + k] * (*held)[k]; } else { z += h[at + k] * weight(k, unit); }
  }
  return z;
}

@compute @workgroup_size(WORKGROUP)
fn lstm_forward_group(
  @builtin(local_invocation_index) local: u32,
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) grid: vec3u,
) {
  let first_user = (group.x + group.y * grid.x) * USERS;
  if (KEPT > 1u) {
    for (var i = local; i < KEPT; i += WORKGROUP) { kept[i] = read_weight(i / H, i % H); }
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
  for (var k = 0u; k < H && HELD; k++) { held[k] = read_weight(k, unit); }
  let begin = first_event(first_user + own);
  let end = first_event(first_user + own + 1u);
  let b = vec4f(bias[unit], bias[unit + H], bias[unit + 2u * H], bias[unit + 3u * H]);
  var fed = fed_by(begin, end);
  var next = fed_by(begin + 1u, end);
  var x = fed_gates(begin, fed, unit);
  var c = 0.0;
  var s = 0.0;
  for (var t = 0u; t < steps; t++) {
    let e = begin + t;
    let after_next = fed_by(e + 2u, end);
    let next_x = fed_gates(e + 1u, next, unit);
    if (e < end) {
      state[e * H + unit] = s;
      cell[e * H + unit] = c;
    }
    if (fed != NONE) {
      var z = x + b;
      let at = (t % 2u) * USERS * H + own * H;
      z = recurrent(z, at, unit, &held);
      let i = sigmoid(z.x);
      let g = squash(z.y);
      let f = sigmoid(z.z + 1.0);
      let o = sigmoid(z.w);
      let gate = e * 4u * H + unit;
      gates[gate] = i;
      gates[gate + H] = g;
      gates[gate + 2u * H] = f;
      gates[gate + 3u * H] = o;
      c = f * c + i * g;
      s = o * squash(c);
    }
    h[((t + 1u) % 2u) * USERS * H + local] = s;
    workgroupBarrier();
    x = next_x;
    fed = next;
    next = after_next;
  }
}

// lstm_forward.wgsl - an LSTM over the whole history of every user, in one dispatch
//   input  [., 4H]  x: row e for event e, or with TABLE row i for item i (one-hot features: a look-up)
//   weights [H, 4H] recurrent       bias [4H]      gates in the order i, g, f, o
//   state  [E, H]   h before the event          cell [E, H]   c before the event
//   gates  [E, 4H]  activations, for lstm_backward.wgsl
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
//
// h and c are zero before a user's first event. An event without a click leaves them unchanged.
//
// For          both kinds of adapter
// On a CPU adapter  lstm_forward_panel.wgsl up to 32 units; this kernel for more units, and on SwiftShader
// Grid         B / USERS invocations in workgroups of 8 (64 on a GPU).
// Work split   one invocation owns USERS users and loops over their events in parallel. h and c stay in
//              private memory, so no barrier is needed. The dispatch takes as long as its longest history.
// On a GPU     lstm_forward_group.wgsl up to 256 units, unless autotuning measures that this kernel is
//              faster. For more units this kernel is used, with USERS = 1 (reasoned). One dispatch processes
//              the whole history; one dispatch per event would be a chain of launches. But 128 users are only
//              128 invocations, too few to hide latency; workgroups of 8, a quarter of a subgroup of 32,
//              spread them over more cores. A loop indexes h and c, so they do not stay in registers.
//              Neighbours read the same weights, a broadcast, but inputs, states and gates far apart: not
//              coalesced.
// On llvmpipe  USERS is 4. In a loop a vec4f of weights is read lane by lane, with many times the
//              instructions of its products. So each block of weights that was read serves four users.
//              Measurements: bench/ladder.md
// On SwiftShader  USERS is 4. lstm_forward_panel.wgsl is a little faster; it compiles some 30 times as long.
// Cost         8 H^2 flops per event, weights from cache.      Backward   lstm_backward.wgsl

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const H4 = 5u;  // H / 4
const USERS = 4u;  // users per invocation: 4, or 1 on a GPU
const TABLE = false;
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
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

// NaN and infinity are passed on, detected by exponent bits: clamp, exp, tanh may make them ordinary numbers.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// The clamp keeps exp far from overflow. At its ends sigmoid differs from 0 or 1 by at most 1e-13.
fn sigmoid(x: vec4f) -> vec4f {
  return select(1.0 / (1.0 + exp(-clamp(x, vec4f(-30.0), vec4f(30.0)))), x, broken(x));
}
fn squash(x: vec4f) -> vec4f { return select(tanh(clamp(x, vec4f(-15.0), vec4f(15.0))), x, broken(x)); }

struct Gates { i: vec4f, g: vec4f, f: vec4f, o: vec4f }
struct Blocks { i: mat4x4f, g: mat4x4f, f: mat4x4f, o: mat4x4f }
struct Unit { cell: vec4f, state: vec4f }

// Four rows and columns of the recurrent weights. Their product with four units of h is a part of W^T h.
fn block(k: u32, column: u32) -> mat4x4f {
  let at = k * 16u * H4 + column;
  return mat4x4f(weights[at], weights[at + 4u * H4], weights[at + 8u * H4], weights[at + 12u * H4]);
}

// Returns what the input of event e adds to the gates of four units.
fn fed_gates(e: u32, fed: u32, j: u32) -> Gates {
  if (fed == NONE) { return Gates(); }
  let x = select(e, fed, TABLE) * 4u * H4 + j;
  return Gates(
    input[x] + bias[j],
    input[x + H4] + bias[H4 + j],
    input[x + 2u * H4] + bias[2u * H4 + j],
    input[x + 3u * H4] + bias[3u * H4 + j],
  );
}
fn add(z: Gates, w: Blocks, h: vec4f) -> Gates {
  return Gates(z.i + w.i * h, z.g + w.g * h, z.f + w.f * h, z.o + w.o * h);
}
// An event without a fed item leaves state and cell unchanged.
fn unit(z: Gates, e: u32, fed: u32, j: u32, before: Unit) -> Unit {
  if (fed == NONE) { return before; }
  let i = sigmoid(z.i);
  let g = squash(z.g);
  let f = sigmoid(z.f + 1.0);
  let o = sigmoid(z.o);
  let at = e * 4u * H4 + j;
  gates[at] = i;
  gates[at + H4] = g;
  gates[at + 2u * H4] = f;
  gates[at + 3u * H4] = o;
  let c = f * before.cell + i * g;
  return Unit(c, o * squash(c));
}

// Stores the state before event e, unless e is past the user's last event.
fn begin(e: u32, end: u32, j: u32, before: Unit) {
  if (e >= end) { return; }
  state[e * H4 + j] = before.state;
  cell[e * H4 + j] = before.cell;
}

// Returns the item that event e feeds, or NONE.
fn fed_by(e: u32, end: u32) -> u32 {
  if (e >= end) { return NONE; }
  return event[e].w;
}

// Returns a user's first event; past the last user, the end of all events.
fn first_event(user: u32) -> u32 { return plan[step.first_entry + min(user, step.size.x)].y; }

@compute @workgroup_size(WORKGROUP)
fn lstm_forward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let user = (id.x + id.y * (grid.x * WORKGROUP)) * USERS;
  if (user >= step.size.x) { return; }
  // Unrolled for four users: llvmpipe would read an array that a loop indexes lane by lane.
  let e0 = first_event(user);
  let e1 = first_event(user + 1u);
  let e2 = select(e1, first_event(user + 2u), USERS > 1u);
  let e3 = select(e2, first_event(user + 3u), USERS > 2u);
  let e4 = select(e3, first_event(user + 4u), USERS > 3u);
  let steps = max(max(e1 - e0, e2 - e1), max(e3 - e2, e4 - e3));
  var h0: array<vec4f, H4>;
  var c0: array<vec4f, H4>;
  var next0: array<vec4f, H4>;
  var h1: array<vec4f, H4>;
  var c1: array<vec4f, H4>;
  var next1: array<vec4f, H4>;
  var h2: array<vec4f, H4>;
  var c2: array<vec4f, H4>;
  var next2: array<vec4f, H4>;
  var h3: array<vec4f, H4>;
  var c3: array<vec4f, H4>;
  var next3: array<vec4f, H4>;
  for (var t = 0u; t < steps; t++) {
    let fed0 = fed_by(e0 + t, e1);
    let fed1 = fed_by(e1 + t, e2);
    let fed2 = fed_by(e2 + t, e3);
    let fed3 = fed_by(e3 + t, e4);
    for (var j = 0u; j < H4; j++) {
      begin(e0 + t, e1, j, Unit(c0[j], h0[j]));
      begin(e1 + t, e2, j, Unit(c1[j], h1[j]));
      begin(e2 + t, e3, j, Unit(c2[j], h2[j]));
      begin(e3 + t, e4, j, Unit(c3[j], h3[j]));
    }
    if (min(min(fed0, fed1), min(fed2, fed3)) == NONE) { continue; }
    for (var j = 0u; j < H4; j++) {
      var z0 = fed_gates(e0 + t, fed0, j);
      var z1 = fed_gates(e1 + t, fed1, j);
      var z2 = fed_gates(e2 + t, fed2, j);
      var z3 = fed_gates(e3 + t, fed3, j);
      for (var k = 0u; k < H4; k++) {
        let w = Blocks(block(k, j), block(k, H4 + j), block(k, 2u * H4 + j), block(k, 3u * H4 + j));
        z0 = add(z0, w, h0[k]);
        if (USERS > 1u) { z1 = add(z1, w, h1[k]); }
        if (USERS > 2u) { z2 = add(z2, w, h2[k]); }
        if (USERS > 3u) { z3 = add(z3, w, h3[k]); }
      }
      let unit0 = unit(z0, e0 + t, fed0, j, Unit(c0[j], h0[j]));
      c0[j] = unit0.cell;
      next0[j] = unit0.state;
      let unit1 = unit(z1, e1 + t, fed1, j, Unit(c1[j], h1[j]));
      c1[j] = unit1.cell;
      next1[j] = unit1.state;
      let unit2 = unit(z2, e2 + t, fed2, j, Unit(c2[j], h2[j]));
      c2[j] = unit2.cell;
      next2[j] = unit2.state;
      let unit3 = unit(z3, e3 + t, fed3, j, Unit(c3[j], h3[j]));
      c3[j] = unit3.cell;
      next3[j] = unit3.state;
    }
    for (var j = 0u; j < H4; j++) {
      h0[j] = next0[j];
      h1[j] = next1[j];
      h2[j] = next2[j];
      h3[j] = next3[j];
    }
  }
}

// lstm_backward.wgsl - back-propagation through time, over the whole history of every user, in one dispatch
//   state_gradient [E, H]   d loss / d state      gates [E, 4H], cell [E, H]   from lstm_forward.wgsl
//   gate_gradient  [E, 4H]  d loss / d (argument of each gate); 0 for an event that fed no item
//
// gate_gradient is also the gradient of the input product. From it follow the gradients of the recurrent
// weights (state^T gate_gradient) and of the bias (column sums): matmul_weight_gradient_tiled.wgsl,
// matmul_weight_gradient_rows.wgsl.
//
// For          both kinds of adapter
// On a CPU adapter  lstm_backward_panel.wgsl up to 32 units; this kernel for more units, and on SwiftShader
// Grid         B / USERS invocations in workgroups of 8 (64 on a GPU).
// Work split   one invocation owns USERS users and loops over their events in parallel, from the last to the
//              first. The reasons are in lstm_forward.wgsl.
// On a GPU     lstm_backward_group.wgsl up to 256 units, unless autotuning measures that this kernel is
//              faster. For more units this kernel is used, with USERS = 1 (reasoned): it has few invocations
//              in small workgroups, and its loads are not coalesced, as in lstm_forward.wgsl.
// On llvmpipe  USERS is 4. Measurements: bench/ladder.md
// Cost         8 H^2 flops per event.      Forward   lstm_forward.wgsl

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const H4 = 5u;  // H / 4
const USERS = 4u;  // users per invocation: 4, or 1 on a GPU
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  first_entry: u32,    // index of the batch's first user in the plan buffer
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

struct Unit { d_cell: vec4f, i: vec4f, g: vec4f, f: vec4f, o: vec4f }

// Computes the gates' gradients from those of state and cell; 0 if event e fed no item.
fn unit(e: u32, fed: u32, j: u32, dc: vec4f, dh: vec4f) -> Unit {
  if (fed == NONE) { return Unit(dc, vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0)); }
  let at = e * 4u * H4 + j;
  let i = gates[at];
  let g = gates[at + H4];
  let f = gates[at + 2u * H4];
  let o = gates[at + 3u * H4];
  let before = cell[e * H4 + j];
  let t = squash(f * before + i * g);
  let d = dc + dh * o * (1.0 - t * t);
  return Unit(
    d * f, d * g * i * (1.0 - i), d * i * (1.0 - g * g), d * before * f * (1.0 - f), dh * t * o * (1.0 - o));
}

// Stores the gates' gradients, unless the event precedes the user's first event.
fn put(e: u32, on: bool, j: u32, u: Unit) {
  if (!on) { return; }
  let at = e * 4u * H4 + j;
  gate_gradient[at] = u.i;
  gate_gradient[at + H4] = u.g;
  gate_gradient[at + 2u * H4] = u.f;
  gate_gradient[at + 3u * H4] = u.o;
}

// Returns the item that event e fed, or NONE.
fn fed_by(e: u32, on: bool) -> u32 {
  if (!on) { return NONE; }
  return event[e].w;
}

// Returns the gradient of the state before e: `through` the gates (`past` if e fed no item) plus its own.
fn state_before(e: u32, on: bool, fed: u32, j: u32, through: vec4f, past: vec4f) -> vec4f {
  if (!on) { return past; }
  return select(through, past, fed == NONE) + state_gradient[e * H4 + j];
}

// Returns a user's first event; past the last user, the end of all events.
fn first_event(user: u32) -> u32 { return plan[step.first_entry + min(user, step.size.x)].y; }

@compute @workgroup_size(WORKGROUP)
fn lstm_backward(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let user = (id.x + id.y * (grid.x * WORKGROUP)) * USERS;
  if (user >= step.size.x) { return; }
  let e0 = first_event(user);
  let e1 = first_event(user + 1u);
  let e2 = select(e1, first_event(user + 2u), USERS > 1u);
  let e3 = select(e2, first_event(user + 3u), USERS > 2u);
  let e4 = select(e3, first_event(user + 4u), USERS > 3u);
  let steps = max(max(e1 - e0, e2 - e1), max(e3 - e2, e4 - e3));
  var dh0: array<vec4f, H4>;
  var dc0: array<vec4f, H4>;
  var dz0: array<vec4f, 4u * H4>;
  var dh1: array<vec4f, H4>;
  var dc1: array<vec4f, H4>;
  var dz1: array<vec4f, 4u * H4>;
  var dh2: array<vec4f, H4>;
  var dc2: array<vec4f, H4>;
  var dz2: array<vec4f, 4u * H4>;
  var dh3: array<vec4f, H4>;
  var dc3: array<vec4f, H4>;
  var dz3: array<vec4f, 4u * H4>;
  for (var t = 1u; t <= steps; t++) {
    let on0 = e0 + t <= e1;
    let on1 = e1 + t <= e2;
    let on2 = e2 + t <= e3;
    let on3 = e3 + t <= e4;
    let fed0 = fed_by(e1 - t, on0);
    let fed1 = fed_by(e2 - t, on1);
    let fed2 = fed_by(e3 - t, on2);
    let fed3 = fed_by(e4 - t, on3);
    for (var j = 0u; j < H4; j++) {
      let unit0 = unit(e1 - t, fed0, j, dc0[j], dh0[j]);
      put(e1 - t, on0, j, unit0);
      dc0[j] = unit0.d_cell;
      dz0[j] = unit0.i;
      dz0[H4 + j] = unit0.g;
      dz0[2u * H4 + j] = unit0.f;
      dz0[3u * H4 + j] = unit0.o;
      let unit1 = unit(e2 - t, fed1, j, dc1[j], dh1[j]);
      put(e2 - t, on1, j, unit1);
      dc1[j] = unit1.d_cell;
      dz1[j] = unit1.i;
      dz1[H4 + j] = unit1.g;
      dz1[2u * H4 + j] = unit1.f;
      dz1[3u * H4 + j] = unit1.o;
      let unit2 = unit(e3 - t, fed2, j, dc2[j], dh2[j]);
      put(e3 - t, on2, j, unit2);
      dc2[j] = unit2.d_cell;
      dz2[j] = unit2.i;
      dz2[H4 + j] = unit2.g;
      dz2[2u * H4 + j] = unit2.f;
      dz2[3u * H4 + j] = unit2.o;
      let unit3 = unit(e4 - t, fed3, j, dc3[j], dh3[j]);
      put(e4 - t, on3, j, unit3);
      dc3[j] = unit3.d_cell;
      dz3[j] = unit3.i;
      dz3[H4 + j] = unit3.g;
      dz3[2u * H4 + j] = unit3.f;
      dz3[3u * H4 + j] = unit3.o;
    }
    for (var k = 0u; k < H4; k++) {
      var sum0 = vec4f(0.0);
      var sum1 = vec4f(0.0);
      var sum2 = vec4f(0.0);
      var sum3 = vec4f(0.0);
      let row = k * 16u * H4;
      if (min(min(fed0, fed1), min(fed2, fed3)) != NONE) {
        for (var q = 0u; q < 4u * H4; q++) {
          let w = mat4x4f(
            weights[row + q],
            weights[row + 4u * H4 + q],
            weights[row + 8u * H4 + q],
            weights[row + 12u * H4 + q],
          );
          sum0 += dz0[q] * w;
          if (USERS > 1u) { sum1 += dz1[q] * w; }
          if (USERS > 2u) { sum2 += dz2[q] * w; }
          if (USERS > 3u) { sum3 += dz3[q] * w; }
        }
      }
      dh0[k] = state_before(e1 - t, on0, fed0, k, sum0, dh0[k]);
      dh1[k] = state_before(e2 - t, on1, fed1, k, sum1, dh1[k]);
      dh2[k] = state_before(e3 - t, on2, fed2, k, sum2, dh2[k]);
      dh3[k] = state_before(e4 - t, on3, fed3, k, sum3, dh3[k]);
    }
  }
}

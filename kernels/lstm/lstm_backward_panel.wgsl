// lstm_backward_panel.wgsl - lstm_backward.wgsl for up to 32 units, with the weights read once
//   What it computes and writes: see lstm_backward.wgsl.
// For          a CPU adapter except SwiftShader, up to 32 units. Otherwise   lstm_backward.wgsl
// On a GPU     lstm_backward_group.wgsl, lstm_backward.wgsl
// Grid         B invocations in workgroups of 16.
// Work split   one invocation owns one user and loops over the user's events, from the last to the first. It
//              reads the weights once, before the loop, as lstm_forward_panel.wgsl.
// On llvmpipe  lstm_forward_panel.wgsl explains why the weights are read once. Measurements: bench/ladder.md
// Cost         8 H^2 flops per event, 16 H^2 bytes per workgroup.      Forward   lstm_forward_panel.wgsl

const WORKGROUP = 16;
const H4 = 5u;  // H / 4, at most 8
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

var<workgroup> panel: array<vec4f, 16u * H4 * H4>;

// Four rows of the recurrent weights, four columns of each gate.
struct Block { i: mat4x4f, g: mat4x4f, f: mat4x4f, o: mat4x4f }

fn four(k: u32, column: u32) -> mat4x4f {
  let at = k * 16u * H4 + column;
  return mat4x4f(panel[at], panel[at + 4u * H4], panel[at + 8u * H4], panel[at + 12u * H4]);
}
fn block(k: u32, j: u32) -> Block {
  return Block(four(k, j), four(k, H4 + j), four(k, 2u * H4 + j), four(k, 3u * H4 + j));
}

alias Weights = array<Block, H4 * H4>;  // block (k, j) at k H4 + j

fn read_row(w: ptr<function, Weights>, k: u32) {
  (*w)[k * H4] = block(k, 0u);
  for (var n = 1u; n < 8u; n++) { if (H4 > n) { (*w)[k * H4 + n] = block(k, n); } }  // unrolled
}
fn read_weights(w: ptr<function, Weights>) {
  read_row(w, 0u);
  for (var n = 1u; n < 8u; n++) { if (H4 > n) { read_row(w, n); } }  // unrolled
}

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

// Stores the gradients of the gates.
fn put(e: u32, j: u32, u: Unit) {
  let at = e * 4u * H4 + j;
  gate_gradient[at] = u.i;
  gate_gradient[at + H4] = u.g;
  gate_gradient[at + 2u * H4] = u.f;
  gate_gradient[at + 3u * H4] = u.o;
}

// Returns the gradient that units 4j .. 4j + 3 pass through their gates to four units of the previous state.
fn through_gates(w: Block, d: Unit) -> vec4f { return (d.i * w.i + d.g * w.g) + (d.f * w.f + d.o * w.o); }
fn through(w: ptr<function, Weights>, d: ptr<function, array<Unit, 8>>, k: u32) -> vec4f {
  var sum = through_gates((*w)[k * H4], (*d)[0]);
  for (var n = 1u; n < 8u; n++) { if (H4 > n) { sum += through_gates((*w)[k * H4 + n], (*d)[n]); } }  // unrolled
  return sum;
}

@compute @workgroup_size(WORKGROUP)
fn lstm_backward_panel(
  @builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var i = local.x; i < 16u * H4 * H4; i += WORKGROUP) { panel[i] = weights[i]; }
  workgroupBarrier();
  var w: Weights;
  read_weights(&w);
  let user = (group.x + group.y * grid.x) * WORKGROUP + local.x;
  if (user >= step.size.x) { return; }
  let first = plan[step.first_entry + user].y;
  let end = plan[step.first_entry + user + 1u].y;
  var dh: array<vec4f, 8>;
  var dc: array<vec4f, 8>;
  var d: array<Unit, 8>;
  for (var t = first; t < end; t++) {
    let e = first + end - 1u - t;
    let fed = event[e].w;
    for (var j = 0u; j < H4; j++) {
      d[j] = unit(e, fed, j, dc[j], dh[j]);
      dc[j] = d[j].d_cell;
      put(e, j, d[j]);
    }
    // If the event fed no item, the gates have no gradient, and dh stays unchanged.
    if (fed != NONE) {
      dh[0] = through(&w, &d, 0u);
      for (var n = 1u; n < 8u; n++) { if (H4 > n) { dh[n] = through(&w, &d, n); } }  // unrolled
    }
    for (var j = 0u; j < H4; j++) { dh[j] += state_gradient[e * H4 + j]; }
  }
}

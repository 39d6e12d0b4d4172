// lstm_forward_panel.wgsl - lstm_forward.wgsl for up to 32 units, with the weights read once
//   What it computes and writes: see lstm_forward.wgsl.
// For          a CPU adapter except SwiftShader, up to 32 units. Otherwise   lstm_forward.wgsl
// On a GPU     lstm_forward_group.wgsl, lstm_forward.wgsl
// Grid         B invocations in workgroups of 16.
// Work split   one invocation owns one user and loops over the user's events. The workgroup copies the
//              weights into workgroup memory; before the loop each invocation reads them into private
//              variables. The products are unrolled, so that each variable has a constant index.
// On llvmpipe  in a loop a vec4f is read lane by lane, even if all lanes read the same address. Outside of a
//              loop, one instruction reads workgroup memory at a constant index (matmul_forward_panel.wgsl).
//              There are more variables than registers, so they are on the stack, and a multiplication reads
//              one from there as its operand. Only the products are unrolled: unrolling all the rest is
//              faster but doubles the compile time. Measurements, and what else was tried: bench/ladder.md
// Cost         8 H^2 flops per event, 16 H^2 bytes per workgroup.      Backward   lstm_backward_panel.wgsl

const WORKGROUP = 16;
const H4 = 5u;  // H / 4, at most 8
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

// NaN and infinity are passed on, detected by exponent bits: clamp, exp, tanh may make them ordinary numbers.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// The clamp keeps exp far from overflow. At its ends sigmoid differs from 0 or 1 by at most 1e-13.
fn sigmoid(x: vec4f) -> vec4f {
  return select(1.0 / (1.0 + exp(-clamp(x, vec4f(-30.0), vec4f(30.0)))), x, broken(x));
}
fn squash(x: vec4f) -> vec4f { return select(tanh(clamp(x, vec4f(-15.0), vec4f(15.0))), x, broken(x)); }

struct Gates { i: vec4f, g: vec4f, f: vec4f, o: vec4f }
struct Unit { cell: vec4f, state: vec4f }

fn add(z: Gates, w: Block, h: vec4f) -> Gates {
  return Gates(z.i + w.i * h, z.g + w.g * h, z.f + w.f * h, z.o + w.o * h);
}
// Adds the products with the previous state, for units 4j .. 4j + 3.
fn add_state(z: Gates, w: ptr<function, Weights>, h: ptr<function, array<vec4f, 8>>, j: u32) -> Gates {
  var s = add(z, (*w)[j], (*h)[0]);
  for (var n = 1u; n < 8u; n++) { if (H4 > n) { s = add(s, (*w)[n * H4 + j], (*h)[n]); } }  // unrolled
  return s;
}

// Returns what the input of event e adds to the gates of four units.
fn fed_gates(e: u32, fed: u32, j: u32) -> Gates {
  let x = select(e, fed, TABLE) * 4u * H4 + j;
  return Gates(
    input[x] + bias[j],
    input[x + H4] + bias[H4 + j],
    input[x + 2u * H4] + bias[2u * H4 + j],
    input[x + 3u * H4] + bias[3u * H4 + j],
  );
}
fn unit(z: Gates, e: u32, j: u32, before: Unit) -> Unit {
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

// Stores the state before event e.
fn begin(e: u32, j: u32, before: Unit) {
  state[e * H4 + j] = before.state;
  cell[e * H4 + j] = before.cell;
}

@compute @workgroup_size(WORKGROUP)
fn lstm_forward_panel(
  @builtin(local_invocation_id) local: vec3u, @builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var i = local.x; i < 16u * H4 * H4; i += WORKGROUP) { panel[i] = weights[i]; }
  workgroupBarrier();
  var w: Weights;
  read_weights(&w);
  let user = (group.x + group.y * grid.x) * WORKGROUP + local.x;
  if (user >= step.size.x) { return; }
  let first = plan[step.first_entry + user].y;
  let end = plan[step.first_entry + user + 1u].y;
  var h: array<vec4f, 8>;
  var c: array<vec4f, 8>;
  var z: array<Gates, 8>;
  for (var e = first; e < end; e++) {
    let fed = event[e].w;
    for (var j = 0u; j < H4; j++) { begin(e, j, Unit(c[j], h[j])); }
    // An event without a fed item leaves state and cell unchanged.
    if (fed == NONE) { continue; }
    for (var j = 0u; j < H4; j++) { z[j] = fed_gates(e, fed, j); }
    z[0] = add_state(z[0], &w, &h, 0u);
    for (var n = 1u; n < 8u; n++) { if (H4 > n) { z[n] = add_state(z[n], &w, &h, n); } }  // unrolled
    for (var j = 0u; j < H4; j++) {
      let next = unit(z[j], e, j, Unit(c[j], h[j]));
      c[j] = next.cell;
      h[j] = next.state;
    }
  }
}

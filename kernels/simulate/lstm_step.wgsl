// lstm_step.wgsl - updates an LSTM by each user's click: pointwise part of a step of lstm_forward.wgsl
//   event [U] (.w the clicked item, or NONE)   input [I, 4H] x of all items   product [U, 4H] W_h h + b
//   state [U, H] h and cell [U, H] c: before, and after      gates in the order i, g, f, o
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
//
// Without a click a user's state is unchanged. A separate dispatch computes the product with the recurrent
// weights, as a dense layer over h, by the kernels of layers: it must read the whole h before this kernel
// changes h.
//
// For          both kinds of adapter      Grid   U H / 4 invocations in workgroups of 64.
// Work split   one invocation owns four units of one user.
// On a GPU     (reasoned) neighbours own neighbouring units: product, state and cell are coalesced; rows of
//              input are those of the clicked items. There are few workgroups of 64, so most cores stay idle:
//              latency is the limit.
// On llvmpipe  its share of a page's time is in bench/simulate.md
// Cost         five exponentials and 48 bytes per unit. The product takes 8 H^2 flops per user.

const WORKGROUP = 64;
const H4 = 5u;  // H / 4, rounded up
const NONE = 0xffffffffu;

struct Step { size: vec4u }  // y: events

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> input: array<vec4f>;
@group(0) @binding(2) var<storage, read> product: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> cell: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn load_product(i: u32) -> vec4f { return product[i]; }

// NaN and infinity are passed on, detected by exponent bits: clamp, exp, tanh may make them ordinary numbers.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// The clamp keeps exp far from overflow. At its ends sigmoid differs from 0 or 1 by at most 1e-13.
fn sigmoid(x: vec4f) -> vec4f {
  return select(1.0 / (1.0 + exp(-clamp(x, vec4f(-30.0), vec4f(30.0)))), x, broken(x));
}
fn squash(x: vec4f) -> vec4f { return select(tanh(clamp(x, vec4f(-15.0), vec4f(15.0))), x, broken(x)); }

@compute @workgroup_size(WORKGROUP)
fn lstm_step(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let at = id.x + id.y * (grid.x * WORKGROUP);
  if (at >= step.size.y * H4) { return; }
  let u = at / H4;
  let item = event[u].w;
  if (item == NONE) { return; }
  let x = item * 4u * H4 + at % H4;
  let p = u * 4u * H4 + at % H4;
  let i = sigmoid(load_input(x) + load_product(p));
  let g = squash(load_input(x + H4) + load_product(p + H4));
  let f = sigmoid(load_input(x + 2u * H4) + load_product(p + 2u * H4) + 1.0);
  let o = sigmoid(load_input(x + 3u * H4) + load_product(p + 3u * H4));
  let c = f * cell[at] + i * g;
  cell[at] = c;
  // Padded units stay zero, because their gates g are zero.
  state[at] = o * squash(c);
}

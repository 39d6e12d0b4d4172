// lstm_step.wgsl - an LSTM moves on by the item that each user clicked: the pointwise part of one step of lstm_forward.wgsl
//
//   event [U] (.w the clicked item, or NONE)   input [I, 4H] x of all items   product [U, 4H] W_h h + b   gates i, g, f, o
//   state [U, H] h and cell [U, H] c: before, and after
//
//   c' = sigmoid(zf + 1) c + sigmoid(zi) tanh(zg)      h' = sigmoid(zo) tanh(c')
//
// A user who clicked nothing stays as they are. The product with the recurrent weights is a dispatch of its own, a layer over
// h: it uses the kernels of layers, and h is read as a whole before this kernel changes it.
//
// For          both kinds of adapter      Grid   U H / 4 invocations in workgroups of 64.
// Work split   one invocation owns four units of one user.
// On a GPU     (reasoned) neighbours own neighbouring units: product, state and cell are coalesced; the rows of input are those
//              of the items clicked. There are few workgroups of 64, so most cores stay idle: latency decides.
// On llvmpipe  its share of a page is in bench/simulate.md
// Cost         five exponentials per unit; 48 bytes per unit. The product 8 H^2 flops per user.

const WORKGROUP = 64;
const H4 = 5u;  // H / 4, rounded up
const NONE = 0xffffffffu;

struct Step {
  size: vec4u,         // of the batch; of a page: U users, U events, U k rows, I items
}

@group(0) @binding(0) var<storage, read> event: array<vec4u>;
@group(0) @binding(1) var<storage, read> input: array<vec4f>;
@group(0) @binding(2) var<storage, read> product: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> cell: array<vec4f>;
@group(0) @binding(5) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }
fn load_product(i: u32) -> vec4f { return product[i]; }

// NaN and infinity are passed on. clamp, exp and tanh may turn them into ordinary numbers, so they are found by their
// exponent bits.
fn broken(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7f800000u)) == vec4u(0x7f800000u); }

// The clamp keeps exp far from overflow. At its ends sigmoid is within 1e-13 of 0 or 1.
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
  // Units that are padding stay zero: their gates g are.
  state[at] = o * squash(c);
}

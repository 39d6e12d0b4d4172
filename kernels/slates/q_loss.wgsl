// q_loss.wgsl - the loss of predicted values (Q) against their targets, and its gradient
//   q [R, .]   wanted [R]   chained [R, .]   outcome [R] (slot or k, ., ., .)
//   loss [R] (loss, value, 0, 0)   gradient [R, .]
//   loss_r = sum over the counted columns c of (y_rc - q_rc)^2, with HUBER 2 |y - q| - 1 if |y - q| > 1
//   y_rc = wanted_r;  with CHAINED chained_r,c+1 for all columns but the last
//   Counted columns: all;  with CHOICE only the outcome's column;  with SUM one, the sum of all columns.
//   value: the last or the outcome's column, or the sum.  gradient: of the counted rows' mean; 0 in padding
// For          both kinds of adapter      Grid   R invocations in workgroups of 64.
// Work split   one invocation owns a row.
// On a GPU     (reasoned) each row has a few numbers: bound by the launch. There are few workgroups of 64, so
//              most cores stay idle: latency is the limit.
// Cost         6 R COLUMNS flops, 8 R STRIDE bytes.

const WORKGROUP = 64;
const M = 1u;       // step.size[M] is the number of rows
const COLUMNS = 3u;
const STRIDE = 4u;
const CHAINED_STRIDE = 4u;
const CHAINED = false;
const CHOICE = false;
const SUM = false;
const HUBER = false;

struct Step {
  size: vec4u,            // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(28) unread: u32,  // fields that this kernel does not read
  counted: u32,           // divisor of means
}

@group(0) @binding(0) var<storage, read> q: array<f32>;
@group(0) @binding(1) var<storage, read> wanted: array<f32>;
@group(0) @binding(2) var<storage, read> chained: array<f32>;
@group(0) @binding(3) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> loss: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(6) var<uniform> step: Step;

// Returns (loss, slope) of an error d.
fn loss_of(d: f32) -> vec2f {
  if (HUBER && abs(d) > 1.0) { return vec2f(2.0 * abs(d) - 1.0, 2.0 * sign(d)); }
  return vec2f(d * d, 2.0 * d);
}

@compute @workgroup_size(WORKGROUP)
fn q_loss(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= step.size[M]) { return; }
  let at = row * STRIDE;
  let share = 1.0 / f32(step.counted);
  var sum = 0.0;
  var value = 0.0;
  if (SUM) {
    for (var c = 0u; c < COLUMNS; c++) { value += q[at + c]; }
    let one = loss_of(value - wanted[row]);
    sum = one.x;
    for (var c = 0u; c < STRIDE; c++) { gradient[at + c] = select(0.0, share * one.y, c < COLUMNS); }
  } else {
    let shown = select(COLUMNS - 1u, u32(outcome[row].x), CHOICE);
    value = q[at + shown];
    for (var c = 0u; c < STRIDE; c++) {
      var slope = 0.0;
      if (c < COLUMNS && (!CHOICE || c == shown)) {
        var y = wanted[row];
        if (CHAINED && c + 1u < COLUMNS) { y = chained[row * CHAINED_STRIDE + c + 1u]; }
        let one = loss_of(q[at + c] - y);
        sum += one.x;
        slope = share * one.y;
      }
      gradient[at + c] = slope;
    }
  }
  loss[row] = vec4f(sum, value, 0.0, 0.0);
}

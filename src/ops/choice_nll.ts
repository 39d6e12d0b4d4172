/** choice_nll: mean negative log-likelihood of what the users did, with "no click" as an option of utility 0. */

import lossText from "../../kernels/choice_nll.wgsl" with { type: "text" };
import sumText from "../../kernels/outcome_sum.wgsl" with { type: "text" };
import { NONE } from "../data/click_log.ts";
import { kernel } from "../gpu/kernel.ts";
import type { DispatchSpec, View } from "../gpu/program.ts";
import { at, type Matrix, matrix, type Reference } from "../tape/reference.ts";
import { type Call, expectShape, type Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";

const lossKernel = kernel("choice_nll", lossText);
const sumKernel = kernel("outcome_sum", sumText);

/**
 * [events, 4]: loss, prec@1, prec@2, and 1 where there was a click, of each event. Their sums go to `ring` at the
 * step's slot. The gradient of the mean loss is made in the same dispatch when the tape is to train.
 *
 * @param u [rows, 1] utilities. @param ring [.] vec4f. @throws Error for another shape.
 */
export function choiceNll(tape: Tape, name: string, u: Tensor, ring: View, train: boolean): Tensor {
  expectShape("choice_nll", u, "rows", 1);
  const output = tape.tensor(name, "events", 4);

  const forward = (call: Call): DispatchSpec[] => {
    const target = train ? call.gradient(u) : undefined;
    if (target?.accumulate) throw new Error(`choice_nll: expected ${u.name} to have no other use`);
    return [
      {
        kernel: lossKernel,
        label: `${name} forward${train ? " and gradient" : ""}`,
        constants: { GRADIENT: train },
        views: {
          u: u.view,
          event: call.batch.event,
          outcome: output.view,
          u_gradient: target?.view ?? tape.gradientOf(u),
        },
        invocations: (s) => [s.events],
        cost: (s) => ({ flops: 20 * s.rows, bytes: 16 * s.rows + 32 * s.events }),
      },
      {
        kernel: sumKernel,
        label: `${name} sum`,
        views: { outcome: output.view, ring },
        invocations: () => [1],
        cost: (s) => ({ flops: 4 * s.events, bytes: 16 * s.events }),
      },
    ];
  };
  return tape.record({ op: "choice_nll", inputs: [u], output, forward, backward: () => [], reference });
}

const reference: Reference = ([u], batch) => {
  if (!u) throw new Error("choice_nll: expected utilities");
  const output = matrix(batch.events.length, 4);
  batch.events.forEach(({ first, end, click }, e) => {
    const page = Array.from({ length: end - first }, (_, k) => at(u, first + k, 0));
    const clickedU = click === NONE ? 0 : at(u, click, 0);
    const most = Math.max(0, ...page);
    const sum = page.reduce((s, x) => s + Math.exp(x - most), Math.exp(-most));
    output.data[4 * e] = most + Math.log(sum) - clickedU;
    if (click === NONE) return;
    const greater = page.filter((x) => x > clickedU).length;
    const equal = page.filter((x) => x === clickedU).length;
    for (const k of [1, 2]) output.data[4 * e + k] = Math.min(1, Math.max(0, (k - greater) / equal));
    output.data[4 * e + 3] = 1;
  });
  return { output, backward: () => [meanLossGradient(u, batch)] };
};

/** d (mean of column 0) / d u: the op is a loss, so no gradient flows into it. */
function meanLossGradient(u: Matrix, batch: Parameters<Reference>[1]): Matrix {
  const gradient = matrix(u.rows, 1);
  for (const { first, end, click } of batch.events) {
    let sum = 1;
    for (let r = first; r < end; r++) sum += Math.exp(at(u, r, 0));
    for (let r = first; r < end; r++) {
      gradient.data[r] = (Math.exp(at(u, r, 0)) / sum - (r === click ? 1 : 0)) / batch.events.length;
    }
  }
  return gradient;
}

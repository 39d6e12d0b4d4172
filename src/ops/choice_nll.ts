/** choice_nll: mean negative log-likelihood of what the users did, with "no click" as an option of utility 0. */

import lossText from "../../kernels/choice_nll.wgsl" with { type: "text" };
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { GIVEN, NONE } from "../data/click_log.ts";
import { kernel } from "../gpu/kernel.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import { at, type Matrix, matrix } from "../tape/reference.ts";
import { expectShape } from "../tape/node.ts";
import type { Tensor } from "../tape/tensor.ts";
import { recordLoss } from "./loss.ts";
import type { RowDot } from "./row_dot.ts";

const lossKernel = kernel("choice_nll", lossText);

/**
 * [events, 4]: loss, prec@1, prec@2, and 1 where there was a click; zeros for a given event. Their sums go to `ring` at the
 * step's slot. With `train` the gradient of the mean loss is made as well.
 *
 * @param u [rows, 1] utilities; where they are left to this op, it adds up their dots. @param ring [.] vec4f.
 * @param options.eta P(a) = exp(eta u_a) / (1 + sum exp(eta u)).
 * @throws Error for another shape.
 */
export function choiceNll(
  tape: ClickTape,
  name: string,
  u: RowDot,
  ring: View,
  { train, eta }: { train: boolean; eta: number },
): Tensor {
  expectShape("choice_nll", u, "rows", 1);
  const { unmade } = u;
  const dots = unmade?.dots;
  if (unmade && !dots) throw new Error(`choice_nll: expected ${u.name} to be left to it in dots alone`);
  const PANELS = dots?.panels ?? 0;
  const output = tape.tensor(name, "events", 4);
  return recordLoss(tape, {
    op: "choice_nll",
    inputs: [u],
    output,
    moved: train ? u : undefined,
    dispatch: (call, gradient) => ({
      kernel: lossKernel,
      label: `${name} forward${train ? " and gradient" : ""}`,
      constants: { GRADIENT: train, ETA: eta, PANELS },
      views: {
        u: u.view,
        event: tape.batch.event,
        dots: dots?.view ?? call.unwritten,
        bias: unmade ? bufferOf(unmade.bias.view) : call.unwritten,
        outcome: output.view,
        u_gradient: gradient,
      },
      invocations: (s) => [s.events],
      cost: (s) => ({ flops: (20 + PANELS) * s.rows, bytes: (16 + 4 * PANELS) * s.rows + 32 * s.events }),
    }),
    ring,
    reference: reference(eta),
  });
}

export const reference = (eta: number): ClickReference => ([u], batch) => {
  if (!u) throw new Error("choice_nll: expected utilities");
  const output = matrix(batch.events.length, 4);
  batch.events.forEach(({ first, end, click }, e) => {
    if (click === GIVEN) return;
    const page = Array.from({ length: end - first }, (_, k) => at(u, first + k, 0));
    output.data.set(choiceOutcome(page, click === NONE ? undefined : click - first, eta), 4 * e);
  });
  return { output, backward: () => [meanLossGradient(u, batch, eta)] };
};

/** Loss, prec@1, prec@2, and 1 with a click, of one page. @param clicked its place on the page */
export function choiceOutcome(page: readonly number[], clicked: number | undefined, eta: number): number[] {
  const most = Math.max(0, ...page.map((x) => eta * x));
  const sum = page.reduce((s, x) => s + Math.exp(eta * x - most), Math.exp(-most));
  const nll = most + Math.log(sum) - (clicked === undefined ? 0 : eta * (page[clicked] ?? NaN));
  return [nll, ...topShares(page, clicked), clicked === undefined ? 0 : 1];
}

/** prec@1 and prec@2 of a ranking of one page, ties in expectation; 0 without a click. */
export function topShares(page: readonly number[], clicked: number | undefined): [number, number] {
  if (clicked === undefined) return [0, 0];
  const own = page[clicked] ?? NaN;
  const greater = page.filter((x) => x > own).length;
  const equal = page.filter((x) => x === own).length;
  const share = (k: number) => Math.min(1, Math.max(0, (k - greater) / equal));
  return [share(1), share(2)];
}

/** Events that means are taken over: those that are not given. */
function countedEvents({ events }: ReferenceBatch): number {
  return events.filter(({ click }) => click !== GIVEN).length;
}

/** d (mean of column 0) / d u: the op is a loss, so no gradient flows into it. */
function meanLossGradient(u: Matrix, batch: ReferenceBatch, eta: number): Matrix {
  const gradient = matrix(u.rows, 1);
  const counted = countedEvents(batch);
  for (const { first, end, click } of batch.events) {
    if (click === GIVEN) continue;
    let sum = 1;
    for (let r = first; r < end; r++) sum += Math.exp(eta * at(u, r, 0));
    for (let r = first; r < end; r++) {
      const p = Math.exp(eta * at(u, r, 0)) / sum;
      gradient.data[r] = eta * (p - (r === click ? 1 : 0)) / counted;
    }
  }
  return gradient;
}

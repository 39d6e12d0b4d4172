/**
 * choice_nll: mean negative log-likelihood of what the users did, with "no click" as an option of utility 0, and each further
 * click of a page a choice among what is not clicked yet. Other kinds: each row is clicked or not by itself, and a row's place
 * on its page has an effect.
 */

import lossText from "../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { FURTHER, GIVEN, isPredicted, NONE } from "../data/click_log.ts";
import { choiceLoss, precisionAt, unclicked } from "../data/ranking.ts";
import { kernel } from "../gpu/kernel.ts";
import type { ShapeChoice } from "../gpu/kernel_shapes.ts";
import { bufferOf, type View } from "../gpu/memory.ts";
import { at, type Matrix, matrix, sigmoid } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { recordLoss } from "./loss.ts";
import { effectOf, placeGradient, placeGradient64 } from "./place_gradient.ts";
import { type ClickScores, LastLayer, made } from "./row_dot.ts";

const lossKernel = kernel("choice_nll", lossText);

/**
 * What the loss, -log P(what happened on a page), takes for granted: choices; or that each row is clicked or not
 * by itself, P(click) = 1 / (1 + exp(-eta u)), the logistic loss.
 */
export type LossKind = "choice" | "logistic";

export interface ChoiceOptions {
  /** Whether the gradient is made as well. */
  readonly train: boolean;
  /** P(a) = exp(eta u_a) / (1 + sum exp(eta u)). */
  readonly eta: number;
  readonly loss?: LossKind;
  /**
   * Parameter [1, P]: added to the utility of a page's second row, its third, ..., the last to all rows behind; in the
   * loss, its gradient and the ranks.
   */
  readonly place?: Tensor;
}

/**
 * [events, 4]: loss, prec@1, prec@2, and 1 where there was a click; zeros for a given event and for a
 * further click. Their sums go to `ring` at the
 * step's slot. With `train` the gradient of the mean loss is made as well.
 *
 * @param scores [rows, 1] utilities; where the layer below them makes dots, this op adds them up. @param ring [.] vec4f.
 * @throws Error for another shape.
 */
export function choiceNll(
  tape: ClickTape,
  name: string,
  scores: ClickScores,
  ring: View,
  { train, eta, loss = "choice", place }: ChoiceOptions,
): Tensor {
  const sums = scores instanceof LastLayer ? scores.sums() : undefined;
  const u = sums?.output ?? made(scores);
  const dots = sums?.dots;
  expectShape("choice_nll", u, "rows", 1);
  if (place) expectShape("choice_nll", place, 1, place.columns);
  const PANELS = dots?.panels ?? 0;
  const output = tape.tensor(name, "events", 4);
  return recordLoss(tape, {
    op: "choice_nll",
    inputs: place ? [u, place] : [u],
    output,
    moved: train ? u : undefined,
    backward: (call) => place ? [placeGradient(tape, call, place, tape.gradientOf(u), SKIP)] : [],
    dispatch: (call, gradient) => ({
      kernel: lossKernel,
      label: `${name} forward${train ? " and gradient" : ""}`,
      constants: {
        GRADIENT: train,
        ETA: eta,
        PANELS,
        HELD: heldRows(call),
        PLACES: place?.columns ?? 0,
        LOGISTIC: loss === "logistic",
      },
      views: {
        u: u.view,
        event: tape.batch.event,
        dots: dots?.view ?? call.unwritten,
        bias: sums ? bufferOf(sums.bias.view) : call.unwritten,
        place: place?.view ?? call.unwritten,
        outcome: output.view,
        u_gradient: gradient,
      },
      invocations: ["events"],
      cost: (s) => ({
        flops: (20 + PANELS) * s.rows,
        bytes: (train ? 8 : 4) * s.rows + 4 * PANELS * s.rows + 32 * s.events,
      }),
    }),
    ring,
    reference: reference(eta, loss),
  });
}

/** Rows of a page that an invocation holds in registers. A CPU driver has none for them. */
export function heldRows({ shapes }: ShapeChoice): number {
  return shapes.kind === "gpu" ? 16 : 0;
}

/** Effects of places are relative to the first, which has none. */
const SKIP = 1;

export const reference = (eta: number, loss: LossKind = "choice"): ClickReference => ([u, place], batch) => {
  if (!u) throw new Error("choice_nll: expected utilities");
  const z = matrix(u.rows, 1, (r) => {
    const effect = place && effectOf(batch, r, place.columns, SKIP);
    return eta * (at(u, r, 0) + (place && effect !== undefined ? at(place, 0, effect) : 0));
  });
  const output = matrix(batch.events.length, 4);
  batch.events.forEach(({ first, end, click }, e) => {
    if (!isPredicted(click)) return;
    const of = (m: Matrix) => Array.from({ length: end - first }, (_, k) => at(m, first + k, 0));
    const clicked = clicksOf(batch, e).map((row) => row - first);
    output.data.set(
      [lossOf[loss](of(z), clicked), ...topShares(of(z), clicked), clicked.length > 0 ? 1 : 0],
      4 * e,
    );
  });
  return {
    output,
    backward() {
      const gradient = meanLossGradient(z, batch, eta, loss);
      return place ? [gradient, placeGradient64(batch, gradient, place.columns, SKIP)] : [gradient];
    },
  };
};

/** The rows of a page that were clicked, in order. @param e its event */
function clicksOf({ events }: ReferenceBatch, e: number): number[] {
  const clicks: number[] = [];
  for (let next = e; next < events.length; next++) {
    const click = events[next]?.click ?? NONE;
    if (next === e ? click === NONE : click < FURTHER || click >= GIVEN) break;
    clicks.push(next === e ? click : click - FURTHER);
  }
  return clicks;
}

/** Loss, prec@1, prec@2, and 1 with a click, of one page. @param clicked places on the page */
export function choiceOutcome(page: readonly number[], clicked: readonly number[], eta: number): number[] {
  const loss = lossOf.choice(page.map((x) => eta * x), clicked);
  return [loss, ...topShares(page, clicked), clicked.length > 0 ? 1 : 0];
}

/** -log P(what happened) of one page of logits. */
const lossOf: Record<LossKind, (z: readonly number[], clicked: readonly number[]) => number> = {
  choice: (z, clicked) => choiceLoss(z, 0, z.length, clicked),
  logistic: (z, clicked) =>
    z.reduce(
      (sum, x, k) => sum + Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, clicked.includes(k) ? -x : x),
      0,
    ),
};

/** prec@1 and prec@2 of a ranking of one page, ties in expectation; 0 without a click. */
export function topShares(page: readonly number[], clicked: readonly number[]): [number, number] {
  if (clicked.length === 0) return [0, 0];
  return [precisionAt(page, 0, page.length, clicked, 1), precisionAt(page, 0, page.length, clicked, 2)];
}

/** Events that means are taken over: those of which something is predicted. */
function countedEvents({ events }: ReferenceBatch): number {
  return events.filter(({ click }) => isPredicted(click)).length;
}

/** d (mean loss) / d u: the op is a loss, so no gradient flows into it. @param z [rows, 1] logits */
function meanLossGradient(z: Matrix, batch: ReferenceBatch, eta: number, loss: LossKind): Matrix {
  const gradient = matrix(z.rows, 1);
  const counted = countedEvents(batch);
  batch.events.forEach(({ first, end, click }, e) => {
    if (!isPredicted(click)) return;
    const clicks = clicksOf(batch, e);
    for (let r = first; r < end; r++) {
      const p = loss === "logistic" ? sigmoid(at(z, r, 0)) : 0;
      gradient.data[r] = eta * (p - (clicks.includes(r) ? 1 : 0)) / counted;
    }
    // The choices of a page: of its first click, or of none, and of each further one.
    for (let j = 0; loss === "choice" && j < Math.max(1, clicks.length); j++) {
      const left = unclicked(first, end, clicks.slice(0, j));
      const most = Math.max(...left.map((r) => at(z, r, 0)), ...(j === 0 ? [0] : []));
      const sum = left.reduce((s, r) => s + Math.exp(at(z, r, 0) - most), j === 0 ? Math.exp(-most) : 0);
      for (const r of left) gradient.data[r]! += eta * Math.exp(at(z, r, 0) - most) / sum / counted;
    }
  });
  return gradient;
}

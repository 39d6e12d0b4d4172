/**
 * choice_nll: mean negative log-likelihood of what the users did, with "no click" as an option of utility 0, and each further
 * click of a page a choice among what is not clicked yet. Other kinds: each row is clicked or not by itself, and a row's place
 * on its page has an effect.
 */

import lossText from "../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { FURTHER, GIVEN, isPredicted, NONE } from "../data/click_log.ts";
import { computeChoiceLoss, computePrecision, listUnclickedRows } from "../data/ranking.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { VariantContext } from "../gpu/kernel_variants.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { applySigmoid, getElement, makeMatrix, type Matrix } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { recordLoss } from "./loss.ts";
import { getPositionIndex, positionGradient, positionGradientReference } from "./position_gradient.ts";
import { type ClickScores, materialize, UnmaterializedScores } from "./row_dot.ts";

const lossKernel = parseKernel("choice_nll", lossText);

/**
 * What the loss, -log P(what happened on a page), takes for granted: choices; or that each row is clicked or not
 * by itself, P(click) = 1 / (1 + exp(-eta u)), the logistic loss.
 */
export type PageLikelihood = "choice" | "logistic";

export interface ChoiceOptions {
  /** Whether the gradient is made as well. */
  readonly train: boolean;
  /** P(a) = exp(eta u_a) / (1 + sum exp(eta u)). */
  readonly eta: number;
  readonly loss?: PageLikelihood;
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
  const sums = scores instanceof UnmaterializedScores ? scores.sums() : undefined;
  const u = sums?.output ?? materialize(scores);
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
    backward: (call) => place ? [positionGradient(tape, call, place, tape.getGradient(u), SKIP)] : [],
    dispatch: (call, gradient) => ({
      kernel: lossKernel,
      label: `${name} forward${train ? " and gradient" : ""}`,
      constants: {
        GRADIENT: train,
        ETA: eta,
        PANELS,
        HELD: getRegisterRows(call),
        PLACES: place?.columns ?? 0,
        LOGISTIC: loss === "logistic",
      },
      views: {
        u: u.view,
        event: tape.batch.event,
        dots: dots?.view ?? call.unwritten,
        bias: sums ? asBufferView(sums.bias.view) : call.unwritten,
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
export function getRegisterRows({ variants }: VariantContext): number {
  return variants.kind === "gpu" ? 16 : 0;
}

/** Effects of places are relative to the first, which has none. */
const SKIP = 1;

export const reference =
  (eta: number, loss: PageLikelihood = "choice"): ClickReference => ([u, place], batch) => {
    if (!u) throw new Error("choice_nll: expected utilities");
    const z = makeMatrix(u.rows, 1, (r) => {
      const effect = place && getPositionIndex(batch, r, place.columns, SKIP);
      return eta * (getElement(u, r, 0) + (place && effect !== undefined ? getElement(place, 0, effect) : 0));
    });
    const output = makeMatrix(batch.events.length, 4);
    batch.events.forEach(({ first, end, click }, e) => {
      if (!isPredicted(click)) return;
      const of = (m: Matrix) => Array.from({ length: end - first }, (_, k) => getElement(m, first + k, 0));
      const clicked = listClickedRows(batch, e).map((row) => row - first);
      output.data.set(
        [lossOf[loss](of(z), clicked), ...computeTopShares(of(z), clicked), clicked.length > 0 ? 1 : 0],
        4 * e,
      );
    });
    return {
      output,
      backward() {
        const gradient = meanLossGradient(z, batch, eta, loss);
        return place
          ? [gradient, positionGradientReference(batch, gradient, place.columns, SKIP)]
          : [gradient];
      },
    };
  };

/** The rows of a page that were clicked, in order. @param e its event */
function listClickedRows({ events }: ReferenceBatch, e: number): number[] {
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
  return [loss, ...computeTopShares(page, clicked), clicked.length > 0 ? 1 : 0];
}

/** -log P(what happened) of one page of logits. */
const lossOf: Record<PageLikelihood, (z: readonly number[], clicked: readonly number[]) => number> = {
  choice: (z, clicked) => computeChoiceLoss(z, 0, z.length, clicked),
  logistic: (z, clicked) =>
    z.reduce(
      (sum, x, k) => sum + Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, clicked.includes(k) ? -x : x),
      0,
    ),
};

/** prec@1 and prec@2 of a ranking of one page, ties in expectation; 0 without a click. */
export function computeTopShares(page: readonly number[], clicked: readonly number[]): [number, number] {
  if (clicked.length === 0) return [0, 0];
  return [
    computePrecision(page, 0, page.length, clicked, 1),
    computePrecision(page, 0, page.length, clicked, 2),
  ];
}

/** Events that means are taken over: those of which something is predicted. */
function countedEvents({ events }: ReferenceBatch): number {
  return events.filter(({ click }) => isPredicted(click)).length;
}

/** d (mean loss) / d u: the op is a loss, so no gradient flows into it. @param z [rows, 1] logits */
function meanLossGradient(z: Matrix, batch: ReferenceBatch, eta: number, loss: PageLikelihood): Matrix {
  const gradient = makeMatrix(z.rows, 1);
  const counted = countedEvents(batch);
  batch.events.forEach(({ first, end, click }, e) => {
    if (!isPredicted(click)) return;
    const clicks = listClickedRows(batch, e);
    for (let r = first; r < end; r++) {
      const p = loss === "logistic" ? applySigmoid(getElement(z, r, 0)) : 0;
      gradient.data[r] = eta * (p - (clicks.includes(r) ? 1 : 0)) / counted;
    }
    // The choices of a page: of its first click, or of none, and of each further one.
    for (let j = 0; loss === "choice" && j < Math.max(1, clicks.length); j++) {
      const left = listUnclickedRows(first, end, clicks.slice(0, j));
      const most = Math.max(...left.map((r) => getElement(z, r, 0)), ...(j === 0 ? [0] : []));
      const sum = left.reduce(
        (s, r) => s + Math.exp(getElement(z, r, 0) - most),
        j === 0 ? Math.exp(-most) : 0,
      );
      for (const r of left) gradient.data[r]! += eta * Math.exp(getElement(z, r, 0) - most) / sum / counted;
    }
  });
  return gradient;
}

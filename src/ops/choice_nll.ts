/**
 * Op choice_nll computes the mean negative log-likelihood of the users' choices. "No click" is an option with
 * utility 0. Each further click on the same page is a choice among the items that are not clicked yet. With
 * the `logistic` likelihood, each item of a page is clicked independently of the other items.
 */

import lossText from "../../kernels/choice/choice_nll.wgsl" with { type: "text" };
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { FURTHER, GIVEN, isPredicted, NONE } from "../data/click_log.ts";
import { computeChoiceLoss, computePrecision, listUnclickedRows } from "../data/ranking.ts";
import { parseKernel } from "../gpu/kernel.ts";
import type { VariantContext } from "../gpu/kernel_variants.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import { applySigmoid, getAt, makeMatrix, type Matrix } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { recordLoss } from "./loss.ts";
import { getPositionIndex, positionGradient, positionGradient64 } from "./position_gradient.ts";
import { type ClickScores, materialize, UnmaterializedScores } from "./row_dot.ts";

const lossKernel = parseKernel("choice_nll", lossText);

/** Likelihood of clicks: softmax over a page ("choice"), or independent sigmoid(eta * utility) per item. */
export type PageLikelihood = "choice" | "logistic";

export interface ChoiceOptions {
  readonly train: boolean;
  /** Inverse temperature: P(a) = exp(eta u_a) / (1 + sum exp(eta u)). */
  readonly eta: number;
  readonly loss?: PageLikelihood;
  /** Parameter [1, P]: utility offsets of positions 2 to P + 1. Later positions have the last offset. */
  readonly positionEffect?: Tensor;
}

/**
 * Returns [events, 4]: loss, prec@1, prec@2, and 1 if the event has a click. Rows of further clicks on the
 * same page, and of context events (history), are zero. The column sums are written to `ring`, a ring buffer
 * with a vec4f per step. If `train`, also computes the gradient of the mean loss.
 * @param scores - utilities [rows, 1], or partial dot products that the op sums
 * @throws Error for wrong shapes
 */
export function choiceNll(
  tape: ClickTape,
  name: string,
  scores: ClickScores,
  ring: View,
  { train, eta, loss = "choice", positionEffect }: ChoiceOptions,
): Tensor {
  const sums = scores instanceof UnmaterializedScores ? scores.sums() : undefined;
  const u = sums?.output ?? materialize(scores);
  const dots = sums?.dots;
  expectShape("choice_nll", u, "rows", 1);
  if (positionEffect) expectShape("choice_nll", positionEffect, 1, positionEffect.columns);
  const PANELS = dots?.panels ?? 0;
  const output = tape.tensor(name, "events", 4);
  return recordLoss(tape, {
    op: "choice_nll",
    inputs: positionEffect ? [u, positionEffect] : [u],
    output,
    target: train ? u : undefined,
    backward: (call) =>
      positionEffect ? [positionGradient(tape, call, positionEffect, tape.getGradient(u), SKIP)] : [],
    dispatch: (call, gradient) => ({
      kernel: lossKernel,
      label: `${name} forward${train ? " and gradient" : ""}`,
      constants: {
        GRADIENT: train,
        ETA: eta,
        PANELS,
        HELD: getRegisterRows(call),
        PLACES: positionEffect?.columns ?? 0,
        LOGISTIC: loss === "logistic",
      },
      views: {
        u: u.view,
        event: tape.batch.event,
        dots: dots?.view ?? call.unwritten,
        bias: sums ? asBufferView(sums.bias.view) : call.unwritten,
        place: positionEffect?.view ?? call.unwritten,
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

/** Returns how many of a page's utilities an invocation keeps in registers: 0 on a CPU adapter. */
export function getRegisterRows({ variants }: VariantContext): number {
  return variants.kind === "gpu" ? 16 : 0;
}

/** Number of first positions without a parameter: effects are relative to position 1, whose effect is 0. */
const SKIP = 1;

export const reference =
  (eta: number, loss: PageLikelihood = "choice"): ClickReference => ([u, positionEffect], batch) => {
    if (!u) throw new Error("choice_nll: expected utilities");
    const z = makeMatrix(u.rows, 1, (r) => {
      const effect = positionEffect && getPositionIndex(batch, r, positionEffect.columns, SKIP);
      return eta *
        (getAt(u, r, 0) +
          (positionEffect && effect !== undefined ? getAt(positionEffect, 0, effect) : 0));
    });
    const output = makeMatrix(batch.events.length, 4);
    batch.events.forEach(({ first, end, click }, e) => {
      if (!isPredicted(click)) return;
      const getPage = (m: Matrix) => Array.from({ length: end - first }, (_, k) => getAt(m, first + k, 0));
      const clicked = listClickedRows(batch, e).map((row) => row - first);
      output.data.set(
        [
          lossOf[loss](getPage(z), clicked),
          ...computeTopShares(getPage(z), clicked),
          clicked.length > 0 ? 1 : 0,
        ],
        4 * e,
      );
    });
    return {
      output,
      backward() {
        const gradient = meanLossGradient(z, batch, eta, loss);
        return positionEffect
          ? [gradient, positionGradient64(batch, gradient, positionEffect.columns, SKIP)]
          : [gradient];
      },
    };
  };

/** Returns a page's clicked rows, in order of the clicks. @param e - index of the page's first event */
function listClickedRows({ events }: ReferenceBatch, e: number): number[] {
  const clicks: number[] = [];
  for (let next = e; next < events.length; next++) {
    const click = events[next]?.click ?? NONE;
    if (next === e ? click === NONE : click < FURTHER || click >= GIVEN) break;
    clicks.push(next === e ? click : click - FURTHER);
  }
  return clicks;
}

/** Returns a page's loss, prec@1, prec@2, and 1 if it has a click. @param clicked - clicked positions */
export function choiceOutcome(page: readonly number[], clicked: readonly number[], eta: number): number[] {
  const loss = lossOf.choice(page.map((x) => eta * x), clicked);
  return [loss, ...computeTopShares(page, clicked), clicked.length > 0 ? 1 : 0];
}

const lossOf: Record<PageLikelihood, (z: readonly number[], clicked: readonly number[]) => number> = {
  choice: (z, clicked) => computeChoiceLoss(z, 0, z.length, clicked),
  logistic: (z, clicked) =>
    z.reduce(
      (sum, x, k) => sum + Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, clicked.includes(k) ? -x : x),
      0,
    ),
};

/** Returns a page's expected prec@1 and prec@2 if ties are broken at random. Without a click, both are 0. */
export function computeTopShares(page: readonly number[], clicked: readonly number[]): [number, number] {
  if (clicked.length === 0) return [0, 0];
  return [
    computePrecision(page, 0, page.length, clicked, 1),
    computePrecision(page, 0, page.length, clicked, 2),
  ];
}

function countedEvents({ events }: ReferenceBatch): number {
  return events.filter(({ click }) => isPredicted(click)).length;
}

/** Returns the gradient of the mean loss with respect to the utilities. @param z - eta * utilities */
function meanLossGradient(z: Matrix, batch: ReferenceBatch, eta: number, loss: PageLikelihood): Matrix {
  const gradient = makeMatrix(z.rows, 1);
  const counted = countedEvents(batch);
  batch.events.forEach(({ first, end, click }, e) => {
    if (!isPredicted(click)) return;
    const clicks = listClickedRows(batch, e);
    for (let r = first; r < end; r++) {
      const p = loss === "logistic" ? applySigmoid(getAt(z, r, 0)) : 0;
      gradient.data[r] = eta * (p - (clicks.includes(r) ? 1 : 0)) / counted;
    }
    for (let j = 0; loss === "choice" && j < Math.max(1, clicks.length); j++) {
      const left = listUnclickedRows(first, end, clicks.slice(0, j));
      const most = Math.max(...left.map((r) => getAt(z, r, 0)), ...(j === 0 ? [0] : []));
      const sum = left.reduce((s, r) => s + Math.exp(getAt(z, r, 0) - most), j === 0 ? Math.exp(-most) : 0);
      for (const r of left) gradient.data[r]! += eta * Math.exp(getAt(z, r, 0) - most) / sum / counted;
    }
  });
  return gradient;
}

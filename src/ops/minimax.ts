/**
 * Op minimax computes in one dispatch the losses of the game between generator and reward, and the gradient
 * of one player. See kernels/course/9-minimax.md. The generator has choice probabilities pi and maximises V;
 * the reward has utilities u and minimises V. There are E events e with displayed items r:
 *
 *   V = 1/E { sum_e sum_{r in e} pi_r u_r - R(pi) } - 1/E sum_e u_click,   R(pi) = 1/(2 eta) sum pi^2
 */

import exactText from "../../kernels/minimax/exact_minimax.wgsl" with { type: "text" };
import gameText from "../../kernels/minimax/minimax.wgsl" with { type: "text" };
import type { ClickReference, ClickTape } from "../batch/click_tape.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { isPredicted, NONE } from "../data/click_log.ts";
import { type Constants, parseKernel } from "../gpu/kernel.ts";
import { asBufferView, toUniformIfSmall, type View } from "../gpu/memory.ts";
import { getAt, makeMatrix, type Matrix } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { choiceOutcome, computeTopShares, getRegisterRows } from "./choice_nll.ts";
import { recordLoss } from "./loss.ts";
import { type ClickScores, materialize, UnmaterializedScores } from "./row_dot.ts";

const gameKernel = parseKernel("minimax", gameText);
const exactKernel = parseKernel("exact_minimax", exactText);

export const MINIMAX_VECTORS = 2;

export interface GameOptions {
  /** Inverse temperature of the choice model that predicts clicks from u. */
  readonly eta: number;
  /** Eta in R(pi). A larger eta makes the generator sharper: its best response to u is sparsemax(eta u). */
  readonly generatorEta: number;
  /** True to divide `generatorEta` by the page's number of items K: R = K / (2 generatorEta) sum pi^2. */
  readonly etaByPage: boolean;
  /** Weight of mean((u - mean(u))^2) / 2 over a page, a penalty in the reward's loss. */
  readonly utilityPenalty: number;
  /** True to leave events without a click out of the losses: pi has no option "no click". */
  readonly skipNoClick: boolean;
}

export interface MinimaxInputs {
  /** Utilities [rows, 1]. */
  readonly u: Tensor;
  /** Logits [rows, 1] of the generator, or the inputs of its last layer, which this op then computes. */
  readonly logits: ClickScores;
}

/** Network to train; the other network's output is constant. Undefined in an evaluation. */
export type GamePlayer = "generator" | "reward" | undefined;

/**
 * Returns [events, 8] with columns 0 to 3: nll, prec@1 and prec@2 of u, and 1 for an event with a click.
 * Columns 4 to 7: loss_min (minimised by the reward), prec@1 and prec@2 of pi, and loss_max (maximised by the
 * generator). A context event (history that is not predicted) has zeros. The column sums are written to the
 * step's slot of `ring` (a ring buffer), if given. @throws Error for wrong shapes
 */
export function minimax(
  tape: ClickTape,
  name: string,
  { u, logits: scores }: MinimaxInputs,
  ring: View | undefined,
  player: GamePlayer,
  options: GameOptions,
): Tensor {
  expectShape("minimax", u, "rows", 1);
  const last = scores instanceof UnmaterializedScores ? scores.factors() : undefined;
  const logits = last?.output ?? materialize(scores);
  expectShape("minimax", logits, "rows", 1);
  const K4 = last ? last.input.stride / 4 : 0;
  const output = tape.tensor(name, "events", 4 * MINIMAX_VECTORS);
  return recordLoss(tape, {
    op: "minimax",
    inputs: [u, logits],
    output,
    target: player && (player === "generator" ? logits : u),
    dispatch: (_, gradient) => ({
      kernel: gameKernel,
      label: `${name}${player ? ` and gradient of the ${player}` : ""}`,
      constants: {
        K4,
        PLAYER: player === "generator" ? 1 : player === "reward" ? 2 : 0,
        ...gameConstants(options),
      },
      views: {
        u: u.view,
        event: tape.batch.event,
        hidden: last?.input.view ?? u.view,
        weights: last ? toUniformIfSmall(asBufferView(last.weights.view)) : u.view,
        bias: last?.bias.view ?? u.view,
        logits: logits.view,
        outcome: output.view,
        gradient,
      },
      invocations: ["events"],
      cost: (s) => ({
        flops: s.rows * (40 + 8 * K4),
        bytes: s.rows * ((player ? 12 : 8) + 16 * K4) + 48 * s.events,
      }),
    }),
    ring,
    reference: gameReference(player, options),
  });
}

function gameConstants(
  { eta, generatorEta, etaByPage, utilityPenalty, skipNoClick }: GameOptions,
): Constants {
  return {
    ETA: eta,
    GENERATOR_ETA: generatorEta,
    ETA_BY_PAGE: etaByPage,
    PENALTY: utilityPenalty,
    SKIP_NO_CLICK: skipNoClick,
  };
}

export function computePageEta(
  { generatorEta, etaByPage }: Pick<GameOptions, "generatorEta" | "etaByPage">,
  items: number,
): number {
  return etaByPage ? generatorEta / items : generatorEta;
}

/** Returns the output of {@link minimax} for the generator pi = sparsemax(eta u); writes pi to `policy`. */
export function exactMinimax(
  tape: ClickTape,
  name: string,
  u: Tensor,
  ring: View,
  train: boolean,
  options: GameOptions,
): { outcomes: Tensor; policy: View } {
  expectShape("exact_minimax", u, "rows", 1);
  const output = tape.tensor(name, "events", 4 * MINIMAX_VECTORS);
  const policy = tape.saved(`${name} policy`, "rows", 1);
  const outcomes = recordLoss(tape, {
    op: "exact_minimax",
    inputs: [u],
    output,
    target: train ? u : undefined,
    dispatch: (call, gradient) => ({
      kernel: exactKernel,
      label: `${name}${train ? " and gradient of the reward" : ""}`,
      constants: { HELD: getRegisterRows(call), GRADIENT: train, ...gameConstants(options) },
      views: { u: u.view, event: tape.batch.event, policy, outcome: output.view, gradient },
      invocations: ["events"],
      cost: (s) => ({
        flops: 4 * s.rows * s.rows / s.events + 40 * s.rows,
        bytes: (train ? 12 : 8) * s.rows + 48 * s.events,
      }),
    }),
    ring,
    reference: exactReference(options),
  });
  return { outcomes, policy };
}

/** Returns the Euclidean projection of `z` on the simplex (Martins and Astudillo 2016), by sorting. */
export function sparsemax(z: readonly number[]): number[] {
  const sorted = [...z].sort((a, b) => b - a);
  let [sum, tau] = [0, 0];
  sorted.forEach((value, k) => {
    sum += value;
    if (1 + (k + 1) * value > sum) tau = (sum - 1) / (k + 1);
  });
  return z.map((value) => Math.max(value - tau, 0));
}

function softmax(z: readonly number[]): number[] {
  const most = Math.max(...z);
  const weights = z.map((x) => Math.exp(x - most));
  const sum = weights.reduce((s, w) => s + w, 0);
  return weights.map((w) => w / sum);
}

/** Page of an event. Only its first click counts. */
interface Page {
  readonly first: number;
  readonly clicked: number | undefined;
  readonly u: number[];
  readonly pi: number[];
  readonly counts: boolean;
  readonly isContext: boolean;
}

function buildPages(
  batch: ReferenceBatch,
  u: Matrix,
  policy: (first: number, u: number[]) => number[],
  options: GameOptions,
): Page[] {
  return batch.events.map(({ first, end, click }) => {
    const page = Array.from({ length: end - first }, (_, k) => getAt(u, first + k, 0));
    const isContext = !isPredicted(click);
    const clicked = isContext || click === NONE ? undefined : click - first;
    const counts = !isContext && (clicked !== undefined || !options.skipNoClick);
    return { first, clicked, u: page, pi: policy(first, page), counts, isContext };
  });
}

function listOutcomes(pages: readonly Page[], rank: (page: Page) => number[], options: GameOptions): Matrix {
  const output = makeMatrix(pages.length, 8);
  pages.forEach((page, e) => {
    const { u, pi, clicked, counts, isContext } = page;
    if (isContext) return;
    const lossMax = counts ? computeGameValue(u, pi, options) : 0;
    const lossMin = counts ? lossMax - (clicked === undefined ? 0 : u[clicked] ?? NaN) : 0;
    const own = [lossMin, ...computeTopShares(rank(page), toList(clicked)), lossMax];
    output.data.set([...choiceOutcome(u, toList(clicked), options.eta), ...own], 8 * e);
  });
  return output;
}

function computeGameValue(u: readonly number[], pi: readonly number[], options: GameOptions): number {
  const eta = computePageEta(options, u.length);
  return u.reduce((sum, x, k) => {
    const p = pi[k] ?? NaN;
    return sum + p * x - p * p / (2 * eta);
  }, 0);
}

const toList = (clicked: number | undefined) => clicked === undefined ? [] : [clicked];

function countScoredPages(pages: readonly Page[]): number {
  return pages.filter(({ isContext }) => !isContext).length;
}

/** Returns the gradient of mean(loss_min + penalty) over events with respect to u, for fixed pi. */
function rewardGradient(pages: readonly Page[], rows: number, { utilityPenalty }: GameOptions): Matrix {
  const gradient = makeMatrix(rows, 1);
  const counted = countScoredPages(pages);
  for (const { first, clicked, u, pi, counts } of pages) {
    const mean = u.reduce((sum, x) => sum + x, 0) / u.length;
    u.forEach((x, k) => {
      const slope = (pi[k] ?? NaN) - (k === clicked ? 1 : 0) + utilityPenalty / u.length * (x - mean);
      gradient.data[first + k] = counts ? slope / counted : 0;
    });
  }
  return gradient;
}

/** Returns the gradient of -mean(loss_max) over events with respect to the logits of the softmax pi. */
function generatorGradient(pages: readonly Page[], rows: number, options: GameOptions): Matrix {
  const gradient = makeMatrix(rows, 1);
  const counted = countScoredPages(pages);
  for (const { first, u, pi, counts } of pages) {
    const eta = computePageEta(options, u.length);
    const slopes = u.map((x, k) => x - (pi[k] ?? NaN) / eta);
    const mean = slopes.reduce((sum, slope, k) => sum + slope * (pi[k] ?? NaN), 0);
    slopes.forEach((slope, k) => {
      gradient.data[first + k] = counts ? -(pi[k] ?? NaN) * (slope - mean) / counted : 0;
    });
  }
  return gradient;
}

export function gameReference(player: GamePlayer, options: GameOptions): ClickReference {
  return ([u, logits], batch) => {
    if (!u || !logits) throw new Error("minimax: expected utilities and logits");
    const getLogits = (first: number, page: readonly number[]) =>
      page.map((_, k) => getAt(logits, first + k, 0));
    const pages = buildPages(batch, u, (first, page) => softmax(getLogits(first, page)), options);
    return {
      output: listOutcomes(pages, (page) => getLogits(page.first, page.u), options),
      backward: () => {
        const none = makeMatrix(u.rows, 1);
        if (player === "generator") return [none, generatorGradient(pages, u.rows, options)];
        return [player === "reward" ? rewardGradient(pages, u.rows, options) : none, none];
      },
    };
  };
}

function exactReference(options: GameOptions): ClickReference {
  return ([u], batch) => {
    if (!u) throw new Error("exact_minimax: expected utilities");
    const pages = buildPages(
      batch,
      u,
      (_, page) => sparsemax(page.map((x) => computePageEta(options, page.length) * x)),
      options,
    );
    return {
      output: listOutcomes(pages, (page) => page.pi, options),
      backward: () => [rewardGradient(pages, u.rows, options)],
    };
  };
}

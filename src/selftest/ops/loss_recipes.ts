/** Makes test cases of loss ops: inputs, ops, the output column that is differentiated, and tolerances. */

import { choiceNll } from "../../ops/choice_nll.ts";
import { exactMinimax, type GameOptions, minimax } from "../../ops/minimax.ts";
import { UnmaterializedScores } from "../../ops/row_dot.ts";
import { type CaseFactory, makeHiddenLayer, recordHiddenLayer } from "./layer_recipes.ts";
import { computeEventMean, U } from "./op_batches.ts";

export interface ChoiceRecipe {
  /** True to add position effects to the utilities. */
  readonly place?: boolean;
  readonly loss?: "logistic";
  /** Standard deviation of the utilities (default: 1). */
  readonly scale?: number;
  /** True to round the utilities to integers, so that some utilities are equal. */
  readonly whole?: boolean;
  /** Factor by which utilities are multiplied (inverse temperature eta); 2 by default. */
  readonly eta?: number;
}

export function makeChoice({ place, scale, loss, whole, eta = 2 }: ChoiceRecipe): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "u", rows: "rows", columns: 1, packed: true, whole }],
    parameters: place ? [{ name: "place", rows: 1, columns: 3 }] : [],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 16);
      const options = { train: true, eta, loss, positionEffect: place ? t("place") : undefined };
      return choiceNll(tape, "loss", t("u"), ring, options);
    },
    scale,
    loss: (output) => computeEventMean(output, 0, b),
    tolerance: 4 * U * 400,
  });
}

/** Makes a test of the choice loss. A utility is the dot product of a hidden layer's output and weights. */
export function makeChoiceOfLayer(K: number, N: number): CaseFactory {
  return (b) => ({
    ...b,
    ...makeHiddenLayer(K, N),
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 16);
      const scores = new UnmaterializedScores(tape, "u", recordHiddenLayer(tape, t));
      return choiceNll(tape, "loss", scores, ring, { train: true, eta: 1 });
    },
    scale: 0.5,
    loss: (output) => computeEventMean(output, 0, b),
    tolerance: 4 * U * 400,
  });
}

/** Options of the minimax game for which all terms of the loss are nonzero. */
const usual: GameOptions = {
  ...{ eta: 3, generatorEta: 1.6, etaByPage: true },
  ...{ utilityPenalty: 0.8, skipNoClick: true },
};

export function makeMinimax(player: "generator" | "reward", game = usual): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [
      { name: "u", rows: "rows", columns: 1, packed: true, trainable: player === "reward" },
      { name: "logits", rows: "rows", columns: 1, packed: true, trainable: player === "generator" },
    ],
    parameters: [],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 32);
      return minimax(tape, "game", { u: t("u"), logits: t("logits") }, ring, player, game);
    },
    // The column does not matter to any check, because the reference computes the gradient itself.
    loss: (output) => computeEventMean(output, player === "generator" ? 7 : 4, b),
    scale: 2,
    tolerance: 4 * U * 100,
  });
}

/** Makes a test of the op minimax (loss of the adversarial game), fused with the generator's last layer. */
export function makeMinimaxOfLayer(K: number): CaseFactory {
  return (b) => {
    const { leaves, ...others } = makeMinimax("generator")(b);
    return {
      ...others,
      leaves: [...leaves.slice(0, 1), { name: "x", rows: "rows", columns: K }],
      parameters: [{ name: "w", rows: 1, columns: K }, { name: "b", rows: 1, columns: 1 }],
      build: (tape, t) => {
        const ring = tape.options.arena.allocate("ring", 32);
        const last = { input: t("x"), weights: t("w"), bias: t("b") };
        const logits = new UnmaterializedScores(tape, "logits", last);
        return minimax(tape, "game", { u: t("u"), logits }, ring, "generator", usual);
      },
      scale: 0.7,
    };
  };
}

export function makeExactMinimax(game = usual): CaseFactory {
  return (b) => ({
    ...b,
    leaves: [{ name: "u", rows: "rows", columns: 1, packed: true }],
    parameters: [],
    build: (tape, t) => {
      const ring = tape.options.arena.allocate("ring", 32);
      return exactMinimax(tape, "game", t("u"), ring, true, game).outcomes;
    },
    loss: (output) => computeEventMean(output, 4, b),
    scale: 2,
    tolerance: 4 * U * 100,
  });
}

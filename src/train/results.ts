/** What a training tells: figures of its steps and validations, or that it has diverged. */

import { UserError } from "../user_error.ts";
import type { BestRecords } from "./best_records.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import { MINIMAX_VECTORS } from "../ops/minimax.ts";

/** One training step: the figures F of its batch before the update. */
export type StepResult<F> = F & {
  /** From 1 on. */
  readonly iteration: number;
};

/** Figures F of the validation batch, with the weights as they are after an iteration. */
export type ValidationResult<F> = StepResult<F> & {
  /** The best validations so far, this one included. */
  readonly best: BestRecords;
  /** Events that the figures are means over; of precisions, those of them with a click. */
  readonly counted: number;
};

/** A loss is no finite number any more. */
export class DivergedError extends UserError {
  /**
   * An error whose message says which loss it is, and what to do.
   * @param iteration the one of that loss.
   * @param rates the options that are too large.
   * @param loss which.
   */
  constructor(
    /** Whose loss it is. */
    readonly iteration: number,
    rates: string,
    loss = "loss",
  ) {
    super(
      `The ${loss} of iteration ${iteration} is not a finite number: training has diverged. ` +
        `Use a smaller ${rates}, or smaller weights to start from; snapshots from before it are kept.`,
    );
  }
}

/** How sums over events become figures. */
export interface Summary<F> {
  /** Vectors of four sums that a slot of the ring holds. */
  readonly vectors: number;
  /** Which of them holds what snapshots are the best by: a loss, prec@1, prec@2. */
  readonly bestBy: number;
  /** @param counted what means are taken over. */
  means(sums: ArrayLike<number>, counted: number): F;
  /** Finite as long as a training goes well. */
  loss(figures: F): number;
}

/** Sums of {@link import("../ops/choice_nll.ts").choiceNll}: loss over all events, precision over those with a click. */
export const choiceSummary: Summary<ChoiceFigures> = {
  vectors: 1,
  bestBy: 0,
  means: (sums, events) => choiceMeans(sums, events),
  loss: ({ nll }) => nll,
};

function choiceMeans(sums: ArrayLike<number>, events: number): ChoiceFigures {
  const [nll = NaN, prec1 = NaN, prec2 = NaN, clicks = NaN] = Array.from(sums);
  return { nll: nll / events, prec1: prec1 / clicks, prec2: prec2 / clicks };
}

/** Of a game: nll, prec1 and prec2 are the reward's; NaN where there is nothing to take a mean of. */
export interface GameFigures extends ChoiceFigures {
  /** What the reward descends. */
  readonly lossMin: number;
  /** What the generator ascends. */
  readonly lossMax: number;
  /** prec@1 of the generator. */
  readonly piPrec1: number;
  /** prec@2 of the generator. */
  readonly piPrec2: number;
}

/** Sums of {@link import("../ops/minimax.ts").minimax}. @param skipNoClick losses are over events with a click alone. */
export function gameSummary(skipNoClick: boolean): Summary<GameFigures> {
  return {
    vectors: MINIMAX_VECTORS,
    bestBy: 1,
    loss: ({ nll }) => nll,
    means(sums, events) {
      const [, , , clicks = NaN, lossMin = NaN, piPrec1 = NaN, piPrec2 = NaN, lossMax = NaN] = Array.from(
        sums,
      );
      const counted = skipNoClick ? clicks : events;
      return {
        ...choiceMeans(sums, events),
        lossMin: lossMin / counted,
        lossMax: lossMax / counted,
        piPrec1: piPrec1 / clicks,
        piPrec2: piPrec2 / clicks,
      };
    },
  };
}

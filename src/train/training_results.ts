/**
 * What comes back from the device, the sums of steps and validations, and what a training tells of it: their figures, or
 * that it has diverged.
 */

import { UserError } from "../user_error.ts";
import type { BestRecords } from "./best_records.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { MINIMAX_VECTORS } from "../ops/minimax.ts";
import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";

/** One training step: the figures F of its batch before the update. */
export type TrainingStepResult<F> = F & {
  /** From 1 on. */
  readonly iteration: number;
};

/** Figures F of the validation batch, with the weights as they are after an iteration. */
export type ValidationResult<F> = TrainingStepResult<F> & {
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
export interface MetricSummary<F> {
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
export const choiceSummary: MetricSummary<ChoiceMetrics> = {
  vectors: 1,
  bestBy: 0,
  means: (sums, events) => choiceMeans(sums, events),
  loss: ({ nll }) => nll,
};

function choiceMeans(sums: ArrayLike<number>, events: number): ChoiceMetrics {
  const [nll = NaN, prec1 = NaN, prec2 = NaN, clicks = NaN] = Array.from(sums);
  return { nll: nll / events, prec1: prec1 / clicks, prec2: prec2 / clicks };
}

/** Of a game: nll, prec1 and prec2 are the reward's; NaN where there is nothing to take a mean of. */
export interface GameMetrics extends ChoiceMetrics {
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
export function makeGameSummary(skipNoClick: boolean): MetricSummary<GameMetrics> {
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

/**
 * Sums on the device, in slots of some vectors of four f32: one slot for each part of the last steps' batches, one for each
 * of as many validations, and behind them one for each shard of a validation. A slot is used again after `places` steps.
 */
export class ResultRing {
  /** [(parts + 1) places + shards, 4 vectors] f32 */
  readonly view: View;

  /**
   * @param places steps whose sums are held at once, and as many validations.
   * @param vectors of a slot. @param shards of a validation; 0 without one. @param parts of a batch at most.
   */
  constructor(
    arena: Arena,
    readonly places: number,
    private readonly vectors: number,
    readonly shards: number,
    private readonly parts = 1,
  ) {
    this.view = arena.allocate("ring", 16 * vectors * ((parts + 1) * places + shards));
  }

  /** Slot of the first shard. */
  get firstShard(): number {
    return (this.parts + 1) * this.places;
  }

  /** Where the sums of the shards stand. */
  get shardsView(): View {
    return this.slotsView(this.firstShard, this.shards);
  }
  /** Some slots, from this one on. */
  slotsView(slot: number, slots: number): View {
    const bytes = 16 * this.vectors;
    return { ...this.view, offset: this.view.offset + bytes * slot, size: bytes * slots };
  }

  /** Slot of the step of iteration t, or of the first part of its batch; those of the others follow. */
  ofStep(t: number): number {
    return t % this.places * this.parts;
  }

  /** Slot of validation number n. */
  ofValidation(n: number): number {
    return this.parts * this.places + n % this.places;
  }

  /**
   * @param values the whole ring, as it was read. @param slots that are added up, from this one on.
   * @returns [4 vectors] the sums
   */
  sumsAt(values: Float32Array, slot: number, slots = 1): Float32Array<ArrayBuffer> {
    const words = 4 * this.vectors;
    const sums = values.slice(slot * words, (slot + 1) * words);
    for (let k = words; k < slots * words; k++) {
      sums[k % words] = (sums[k % words] ?? NaN) + (values[slot * words + k] ?? NaN);
    }
    return sums;
  }
}

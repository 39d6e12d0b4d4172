/** Results of steps and validations from the device: sums, the metrics computed from them, and the error of a diverged training. */

import { UserError } from "../user_error.ts";
import type { BestRecords } from "./best_records.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { MINIMAX_VECTORS } from "../ops/minimax.ts";
import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";

/** Result of a training step: the metrics F of its batch before the update. */
export type TrainingStepResult<F> = F & {
  /** From 1 on. */
  readonly iteration: number;
};

/** Result of a validation: metrics F with the weights after an iteration. */
export type ValidationResult<F> = TrainingStepResult<F> & {
  /** The best validations so far, including this one. */
  readonly best: BestRecords;
  /** Number of events in the means; precisions are means over those with a click. */
  readonly counted: number;
};

/** Thrown for a non-finite loss. */
export class DivergedError extends UserError {
  /** @param iteration at which the loss was not finite. @param rates options that set the learning rate. @param loss name of the loss. */
  constructor(readonly iteration: number, rates: string, loss = "loss") {
    super(
      `The ${loss} of iteration ${iteration} is not a finite number: training has diverged. ` +
        `Use a smaller ${rates}, or smaller weights to start from; snapshots from before it are kept.`,
    );
  }
}

/** Converts sums over events to metrics. */
export interface MetricSummary<F> {
  /** Vectors of four sums per ring slot. */
  readonly vectors: number;
  /** Index of the vector that selects snapshots: a loss, prec@1, prec@2. */
  readonly bestBy: number;
  /** @param counted number of events in the means. */
  means(sums: ArrayLike<number>, counted: number): F;
  /** Returns the loss, which is finite unless the training has diverged. */
  loss(metrics: F): number;
}

/** Summary of {@link import("../ops/choice_nll.ts").choiceNll}: loss over all events, precision over those with a click. */
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

/** Metrics of a game: nll, prec1 and prec2 are the reward's; NaN without events to take a mean of. */
export interface GameMetrics extends ChoiceMetrics {
  /** Loss that the reward minimises. */
  readonly lossMin: number;
  /** Value that the generator maximises. */
  readonly lossMax: number;
  /** prec@1 of the generator. */
  readonly piPrec1: number;
  /** prec@2 of the generator. */
  readonly piPrec2: number;
}

/** Summary of {@link import("../ops/minimax.ts").minimax}. @param skipNoClick true for losses over events with a click alone. */
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
 * Ring of sums on the device, in slots of vectors of four f32: one slot per micro-batch of the last steps, one for each of as
 * many validations, then one per shard of a validation. A slot is reused after `steps` steps.
 */
export class ResultRing {
  /** [(microBatches + 1) steps + shards, 4 vectors] f32 */
  readonly view: View;

  /**
   * @param steps whose sums are kept, and as many validations. @param vectors per slot.
   * @param shards of a validation; 0 without one. @param microBatches of the largest batch.
   */
  constructor(
    arena: Arena,
    readonly steps: number,
    private readonly vectors: number,
    readonly shards: number,
    private readonly microBatches = 1,
  ) {
    this.view = arena.allocate("ring", 16 * vectors * ((microBatches + 1) * steps + shards));
  }

  get firstShard(): number {
    return (this.microBatches + 1) * this.steps;
  }

  /** Views the slots of the shards. */
  get shardsView(): View {
    return this.slotsView(this.firstShard, this.shards);
  }
  /** Views consecutive slots. */
  slotsView(slot: number, slots: number): View {
    const bytes = 16 * this.vectors;
    return { ...this.view, offset: this.view.offset + bytes * slot, size: bytes * slots };
  }

  /** Returns the slot of the step of iteration t, or of its first micro-batch, which the others follow. */
  stepSlot(t: number): number {
    return t % this.steps * this.microBatches;
  }

  /** Returns the slot of validation number n. */
  validationSlot(n: number): number {
    return this.microBatches * this.steps + n % this.steps;
  }

  /** @param values the whole ring, as it was read. @param slots to add up, from `slot` on. @returns [4 vectors] the sums */
  sumsAt(values: Float32Array, slot: number, slots = 1): Float32Array<ArrayBuffer> {
    const words = 4 * this.vectors;
    const sums = values.slice(slot * words, (slot + 1) * words);
    for (let k = words; k < slots * words; k++) {
      sums[k % words] = (sums[k % words] ?? NaN) + (values[slot * words + k] ?? NaN);
    }
    return sums;
  }
}

/** Declares the results of training steps and validations. Computes metrics from metric sums. */

import { UserError } from "../user_error.ts";
import type { BestRecords } from "./best_records.ts";
import type { ChoiceMetrics } from "../data/ranking.ts";
import { MINIMAX_VECTORS } from "../ops/minimax.ts";
import type { Arena } from "../gpu/arena.ts";
import type { View } from "../gpu/memory.ts";

/** Result of a training step: metrics F of the batch, computed before the step updates the weights. */
export type TrainingStepResult<F> = F & {
  readonly iteration: number;
};

/** Result of a validation after step `iteration`: metrics F of the validation users. */
export type ValidationResult<F> = TrainingStepResult<F> & {
  /** Best validation result so far for each criterion, including this validation. */
  readonly best: BestRecords;
  /** Number of events over which the loss is averaged. Precisions are averaged over events with a click. */
  readonly counted: number;
};

export class DivergedError extends UserError {
  constructor(readonly iteration: number, rates: string, loss = "loss") {
    super(
      `The ${loss} of iteration ${iteration} is not a finite number: training has diverged. ` +
        `Use a smaller ${rates}, or smaller initial weights. Snapshots of earlier iterations are kept.`,
    );
  }
}

/** Layout of metric sums, and functions that convert the sums to metrics F. */
export interface MetricSummary<F> {
  /** Number of vectors per slot of the result ring; a vector holds four metric sums. */
  readonly vectors: number;
  /** Index of the vector with the sums of loss, prec@1 and prec@2 that select the best snapshots. */
  readonly bestBy: number;
  /** Converts metric sums to means. @param counted - number of events by which sums are divided */
  means(sums: ArrayLike<number>, counted: number): F;
  /** Returns the loss in `metrics`. A non-finite loss means that training has diverged. */
  loss(metrics: F): number;
}

/** Mean loss over all events, and mean precisions over events with a click (op `choiceNll`). */
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

/** Metrics of the adversarial stage; nll, prec1 and prec2 are the reward's. A mean over 0 events is NaN. */
export interface GameMetrics extends ChoiceMetrics {
  /** Mean loss that the reward minimises. */
  readonly lossMin: number;
  /** Mean objective that the generator maximises. */
  readonly lossMax: number;
  /** prec@1 of the generator. */
  readonly piPrec1: number;
  /** prec@2 of the generator. */
  readonly piPrec2: number;
}

/** Converts sums to {@link GameMetrics}. @param skipNoClick - true if losses skip events without a click */
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
 * Ring buffer of metric sums on the device. A slot holds `vectors` vectors of four f32. The first slots store
 * sums of the last steps' micro-batches. The next slots store sums of the last validations. The final slots
 * store sums of a validation's shards. A step's slots are reused after `steps` steps.
 */
export class ResultRing {
  /** Whole ring buffer of (microBatches + 1) * steps + shards slots, each with 4 * vectors f32. */
  readonly view: View;

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

  get shardsView(): View {
    return this.slotsView(this.firstShard, this.shards);
  }
  slotsView(slot: number, slots: number): View {
    const bytes = 16 * this.vectors;
    return { ...this.view, offset: this.view.offset + bytes * slot, size: bytes * slots };
  }

  /** Returns the slot of the first micro-batch of step t. */
  stepSlot(t: number): number {
    return t % this.steps * this.microBatches;
  }

  validationSlot(n: number): number {
    return this.microBatches * this.steps + n % this.steps;
  }

  /** Adds up the metric sums of consecutive slots. @param values - all slots. @returns [4 * vectors] sums */
  sumsAt(values: Float32Array, slot: number, slots = 1): Float32Array<ArrayBuffer> {
    const words = 4 * this.vectors;
    const sums = values.slice(slot * words, (slot + 1) * words);
    for (let k = words; k < slots * words; k++) {
      sums[k % words] = (sums[k % words] ?? NaN) + (values[slot * words + k] ?? NaN);
    }
    return sums;
  }
}

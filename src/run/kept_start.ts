/**
 * Which weights a training by likelihood has as its best: those of the lowest validation loss, or what it started from where
 * these are not better by more than chance. A run chooses whenever it saves, so that one that is killed has chosen as one that
 * ends there.
 */

import type { BestRecord } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { NetworkEvaluation } from "../train/network_evaluation.ts";
import type { Weights } from "../tape/parameters.ts";
import type { StageMetrics } from "./stages.ts";

/** What a training started from, in the place of its lowest validation loss. */
export interface KeptStart {
  readonly record: BestRecord;
  readonly weights: Weights;
}

/** Standard errors of a gain. One gain in ten is above them where there is none. */
const ERRORS = 1.28;

/** [users] sums of the loss over the events of each, by the networks as they stand. */
export async function lossByUser(evaluation: NetworkEvaluation<StageMetrics>): Promise<Float64Array> {
  const sums: number[] = [];
  await evaluation.evaluate(undefined, ({ log, indices, outcomes, words }) => {
    let e = 0;
    for (const place of indices) {
      let sum = 0;
      for (let event = log.userEvents[place] ?? 0; event < (log.userEvents[place + 1] ?? 0); event++) {
        if (!log.eventGiven?.[event]) sum += outcomes[words * e] ?? NaN;
        e++;
      }
      sums.push(sum);
    }
  });
  return Float64Array.from(sums);
}

/**
 * Whether a lower loss is lower by more than chance: users are drawn, so the gain has the standard error of the sum of theirs.
 * @param losses [users] before and after, of the same users
 */
export function isGain(before: Float64Array, after: Float64Array): boolean {
  const gains = before.map((loss, user) => loss - (after[user] ?? NaN));
  const gain = sum(gains);
  const mean = gain / gains.length;
  const squares = sum(gains.map((one) => (one - mean) ** 2));
  const error = Math.sqrt(squares * gains.length / Math.max(1, gains.length - 1));
  return gain > ERRORS * error;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Chooses whether what a training started from takes the place of its lowest validation loss. */
export class StartChoice {
  /** [users] losses of the start. */
  #before: Float64Array | undefined;
  /** The lowest loss that was compared last, and what came of it. */
  #compared = { iteration: 0, isGain: true };

  /** @param start makes all weights as they were before the first step; they are as large as the model, and seldom needed */
  constructor(private readonly trainer: ClickTrainer<StageMetrics>, private readonly start: () => Weights) {}

  /**
   * Returns the start where the lowest loss is not lower by more than chance: it is the least of many, which is below what the same
   * weights have on other users. Nothing may be in flight; the trainer keeps its weights.
   */
  async choose(): Promise<KeptStart | undefined> {
    const { iteration } = this.trainer.best.loss;
    if (iteration !== this.#compared.iteration) {
      this.#compared = { iteration, isGain: await this.#isGain() };
    }
    if (this.#compared.isGain || !this.#before) return undefined;
    return { record: { value: Math.fround(sum(this.#before)), iteration: 0 }, weights: this.start() };
  }

  async #isGain(): Promise<boolean> {
    const { trainer } = this;
    const last = await trainer.weights();
    const best = await trainer.snapshot("loss");
    try {
      return await trainer.withValidation(async (validation) => {
        if (!validation) return true;
        if (!this.#before) {
          trainer.setWeights(this.start());
          this.#before = await lossByUser(validation);
        }
        trainer.setWeights(best);
        return isGain(this.#before, await lossByUser(validation));
      });
    } finally {
      trainer.setWeights(last);
    }
  }
}

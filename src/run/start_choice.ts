/**
 * Chooses the best weights of a maximum-likelihood training: those of the lowest validation loss, or the initial weights if
 * these are not worse by more than chance. The choice is made at every save, so an interrupted run has chosen too.
 */

import type { BestRecord } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { NetworkEvaluation } from "../train/network_evaluation.ts";
import type { Weights } from "../tape/parameters.ts";
import type { StageMetrics } from "./stages.ts";

/** Initial weights that replace those of the lowest validation loss. */
export interface KeptStart {
  readonly record: BestRecord;
  readonly weights: Weights;
}

/** Standard errors that a gain must exceed; one in ten does so by chance. */
const ERRORS = 1.28;

/** Computes [users] sums of the loss over the events of each user, with the current weights. */
export async function computeUserLosses(evaluation: NetworkEvaluation<StageMetrics>): Promise<Float64Array> {
  const sums: number[] = [];
  await evaluation.evaluate(undefined, ({ log, indices, outcomes, words }) => {
    let e = 0;
    for (const place of indices) {
      let sum = 0;
      for (let event = log.userEvents[place] ?? 0; event < (log.userEvents[place + 1] ?? 0); event++) {
        if (!log.eventKind?.[event]) sum += outcomes[words * e] ?? NaN;
        e++;
      }
      sums.push(sum);
    }
  });
  return Float64Array.from(sums);
}

/**
 * Returns true if the loss decreased by more than chance. Users are a sample, so the gain has the standard error of the sum
 * of theirs.
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

/** Decides if the initial weights replace those of the lowest validation loss. */
export class StartChoice {
  /** [users] losses of the initial weights. */
  #before: Float64Array | undefined;
  /** Iteration of the lowest loss that was compared last, and the outcome. */
  #compared = { iteration: 0, isGain: true };

  /** @param start computes the initial weights, which are large and seldom needed */
  constructor(private readonly trainer: ClickTrainer<StageMetrics>, private readonly start: () => Weights) {}

  /**
   * Returns the initial weights if the lowest loss is not lower by more than chance: a minimum over many validations is lower
   * than the loss of the same weights on other users. Nothing may be in flight; the trainer keeps its weights.
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
          this.#before = await computeUserLosses(validation);
        }
        trainer.setWeights(best);
        return isGain(this.#before, await computeUserLosses(validation));
      });
    } finally {
      trainer.setWeights(last);
    }
  }
}

/**
 * Chooses the best weights of a maximum-likelihood training: the weights with the lowest validation loss, or
 * the initial weights if the lowest loss is not significantly lower than the initial loss. The choice is made
 * at every save, so that an interrupted run also has its best weights.
 */

import type { BestRecord } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { NetworkEvaluation } from "../train/network_evaluation.ts";
import type { Weights } from "../tape/parameters.ts";
import type { StageMetrics } from "./stages.ts";

/** Initial weights, which best-loss stores if no later weights have a significantly lower loss. */
export interface KeptStart {
  readonly record: BestRecord;
  readonly weights: Weights;
}

/** Smallest significant gain, in standard errors. If the true gain is 0, 10 % of the gains are larger. */
const ERRORS = 1.28;

/** Computes validation losses of the current weights. @returns [users] sum of the losses of a user's pages */
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
 * Returns true if the loss has decreased significantly. Users are a random sample, so the variance of the
 * gains per user gives the standard error of the total gain.
 * @param before - [users] old losses @param after - [users] new losses
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

/** Decides whether best-loss stores the initial weights. */
export class StartChoice {
  /** [users] losses of the initial weights; undefined before the first comparison. */
  #before: Float64Array | undefined;
  /** Result of the last comparison, and the iteration whose weights were compared. */
  #compared = { iteration: 0, isGain: true };

  /** @param start - computes the initial weights, which are too large to be stored and seldom needed */
  constructor(private readonly trainer: ClickTrainer<StageMetrics>, private readonly start: () => Weights) {}

  /**
   * Returns the initial weights, or undefined if later weights have a significantly lower validation loss.
   * (The lowest of many validation losses is optimistic: the loss of other users is higher.) Call it only
   * when no training step is in flight. The trainer's weights are the same afterwards.
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

/**
 * Chooses the weights of the snapshot best-loss. Usually best-loss has the weights with the lowest validation
 * loss. A training may start from a logit on counts (a linear model with counts as inputs). If training does
 * not lower the validation loss significantly, best-loss has the scaled logit: the utilities of the logit are
 * rescaled to fit the validation users.
 */

import type { BestRecord } from "../train/best_records.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { NetworkEvaluation } from "../train/network_evaluation.ts";
import type { Weights } from "../tape/parameters.ts";
import { fitUtilityScale, listPages } from "../metrics/baselines/utility_scale.ts";
import type { ScoredRows, UtilityScale } from "../metrics/baselines/utility_scale.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { scaleUtilities } from "../model/logit_weights.ts";
import { addPositionEffects, readPositionEffects } from "../model/position_effect.ts";
import type { StageMetrics } from "./stages.ts";

type Validation = NetworkEvaluation<StageMetrics>;

/** Weights and validation loss of the scaled logit. */
export interface KeptStart {
  readonly record: BestRecord;
  readonly weights: Weights;
}

/** Smallest significant gain, in standard errors. With a true gain of 0, 10 % of gains are larger. */
const ERRORS = 1.28;

/** Returns the current weights' loss per validation user, summed over the user's pages. */
export async function computeUserLosses(evaluation: Validation): Promise<Float64Array> {
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
 * Returns true if the loss has decreased significantly. The standard error of the total gain is computed from
 * the variance of the gains per user.
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

/** Decides whether the snapshot best-loss contains the scaled logit on counts. */
export class StartChoice {
  /** [users] losses of the initial weights; undefined before the first comparison. */
  #before: Float64Array | undefined;
  /** Iteration whose weights were last compared with the initial weights, and the result. */
  #compared = { iteration: NaN, isGain: true };

  /** Scale and loss of the logit; undefined until `choose` first returns the logit. */
  #kept: { readonly scale: UtilityScale; readonly loss: number } | undefined;

  /** @param start - returns the model's initial weights @param logit - fits the baseline "logit on counts" */
  constructor(
    private readonly trainer: ClickTrainer<StageMetrics>,
    private readonly start: () => Weights,
    private readonly model: Pick<ModelConfig, "eta" | "loss">,
    private readonly logit: () => Weights,
  ) {}

  /**
   * Returns the scaled logit, or undefined if training has lowered the validation loss significantly. Before
   * the first validation, the result is also undefined. A small gain does not count, because training picks
   * the lowest of many noisy losses. Call it only when no training step is in flight. Afterwards, the trainer
   * has the same weights as before.
   */
  async choose(): Promise<KeptStart | undefined> {
    const { iteration, value } = this.trainer.best.loss;
    if (!Number.isFinite(value)) return undefined; // before the first validation
    if (iteration !== this.#compared.iteration) {
      this.#compared = { iteration, isGain: iteration > 0 && await this.#isGain() };
    }
    if (this.#compared.isGain) return undefined;
    const logit = this.logit();
    const { scale, loss } = this.#kept ??= await this.#withValidation((validation) =>
      this.#scale(validation, logit)
    );
    return { record: { value: Math.fround(loss), iteration: 0 }, weights: scaleUtilities(logit, scale) };
  }

  async #isGain(): Promise<boolean> {
    const best = await this.trainer.snapshot("loss");
    return await this.#withValidation(async (validation) => {
      if (!validation) return true;
      if (!this.#before) {
        this.trainer.setWeights(this.start());
        this.#before = await computeUserLosses(validation);
      }
      this.trainer.setWeights(best);
      return isGain(this.#before, await computeUserLosses(validation));
    });
  }

  /** Fits the scale of the logit to the validation users, and computes the loss with this scale. */
  async #scale(validation: Validation | undefined, logit: Weights) {
    if (!validation) throw new Error("expected validation users");
    const { eta, loss } = this.model;
    const effects = readPositionEffects(logit);
    const parts: ScoredRows[] = [];
    this.trainer.setWeights(logit);
    await validation.evaluate(undefined, ({ log, indices: users, utilities }) => {
      const logScores = Float64Array.from(utilities);
      for (const { start, end } of listPages(log, users)) {
        logScores.set(addPositionEffects(logScores.subarray(start, end), effects), start);
      }
      parts.push({ log, users, logScores: logScores.map((u) => eta * u) });
    });
    // With the logistic loss, clicks are independent: they are no choices, to which a scale could be fitted.
    const { offset, slope } = (loss === "choice" && fitUtilityScale(parts)) || { offset: 0, slope: 1 };
    const scale = { offset: offset / eta, slope };
    this.trainer.setWeights(scaleUtilities(logit, scale));
    return { scale, loss: sum(await computeUserLosses(validation)) };
  }

  /** Calls `use`, which evaluates weights on the validation users; then restores the trainer's weights. */
  async #withValidation<T>(use: (validation: Validation | undefined) => Promise<T>): Promise<T> {
    const last = await this.trainer.weights();
    try {
      return await this.trainer.withValidation(use);
    } finally {
      this.trainer.setWeights(last);
    }
  }
}

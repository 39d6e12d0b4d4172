/**
 * Chooses the weights of the snapshot best-loss. Usually best-loss has the weights with the lowest validation
 * loss. If rescaled utilities (offset + slope u) have a significantly lower validation loss, best-loss has
 * rescaled weights, for example if users click more often in the validation part of a split by time.
 *
 * A training may start from a logit on counts (a linear model with counts as inputs). If training does not
 * lower the validation loss significantly, best-loss has the logit, with rescaled utilities.
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

/** Weights with rescaled utilities for the snapshot best-loss, and their validation loss. */
export interface RescaledBest {
  /** Iteration of the trained weights, 0 for the logit; validation loss after rescaling. */
  readonly record: BestRecord;
  readonly scale: UtilityScale;
  readonly weights: Weights;
}
type Rescaled = Omit<RescaledBest, "weights">;

/** Smallest significant gain, in standard errors: without a true gain, 10 % of measured gains are larger. */
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

/** Decides which weights the snapshot best-loss contains. */
export class BestLossChoice {
  /** [users] losses of the initial weights; undefined before the first comparison. */
  #before: Float64Array | undefined;
  /** Last iteration with the lowest validation loss for which `choose` has decided, and the decision. */
  #decided: { readonly iteration: number; readonly found: Rescaled | undefined } | undefined;
  /** Scale and loss of the logit; undefined until `choose` first returns the logit. */
  #logit: Rescaled | undefined;

  /** @param start - returns the model's initial weights @param logit - fits the baseline "logit on counts" */
  constructor(
    private readonly trainer: ClickTrainer<StageMetrics>,
    private readonly start: () => Weights,
    private readonly model: Pick<ModelConfig, "eta" | "loss">,
    private readonly logit: () => Weights,
  ) {}

  /**
   * Returns the weights for best-loss: the trained weights or the logit, with rescaled utilities. Returns
   * undefined if best-loss has the trained weights, and before the first validation. A small gain over the
   * logit does not count, because training picks the lowest of many noisy losses. No training step may be in
   * flight during the call, which does not change the trainer's weights.
   */
  async choose(): Promise<RescaledBest | undefined> {
    const { iteration, value } = this.trainer.best.loss;
    if (!Number.isFinite(value)) return undefined; // before the first validation
    if (iteration !== this.#decided?.iteration) {
      const trained = iteration > 0 ? await this.trainer.snapshot("loss") : undefined;
      const found = await this.#withValidation((validation) => this.#decide(validation, trained, iteration));
      this.#decided = { iteration, found };
    }
    const { found } = this.#decided;
    if (!found) return undefined;
    const weights = found.record.iteration > 0 ? await this.trainer.snapshot("loss") : this.logit();
    return { ...found, weights: scaleUtilities(weights, found.scale) };
  }

  async #decide(
    validation: Validation | undefined,
    trained: Weights | undefined,
    iteration: number,
  ): Promise<Rescaled | undefined> {
    if (trained) {
      if (!validation) return undefined;
      if (!this.#before) {
        this.trainer.setWeights(this.start());
        this.#before = await computeUserLosses(validation);
      }
      this.trainer.setWeights(trained);
      const losses = await computeUserLosses(validation);
      if (isGain(this.#before, losses)) {
        const rescaled = await this.#rescale(validation, trained, iteration);
        return isGain(losses, rescaled.losses) ? rescaled.found : undefined;
      }
    }
    if (!validation) throw new Error("expected validation users");
    return this.#logit ??= (await this.#rescale(validation, this.logit(), 0)).found;
  }

  /** Fits the scale of utilities to the validation users. @returns also the losses per user after rescaling */
  async #rescale(validation: Validation, weights: Weights, iteration: number) {
    const { eta, loss } = this.model;
    const effects = readPositionEffects(weights);
    const parts: ScoredRows[] = [];
    this.trainer.setWeights(weights);
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
    this.trainer.setWeights(scaleUtilities(weights, scale));
    const losses = await computeUserLosses(validation);
    return { found: { record: { value: Math.fround(sum(losses)), iteration }, scale }, losses };
  }

  /** Evaluates weights on the validation users by calling `use`, and then restores the trainer's weights. */
  async #withValidation<T>(use: (validation: Validation | undefined) => Promise<T>): Promise<T> {
    const last = await this.trainer.weights();
    try {
      return await this.trainer.withValidation(use);
    } finally {
      this.trainer.setWeights(last);
    }
  }
}

/**
 * Chooses which weights the snapshot best-loss stores: usually those with the lowest validation loss. Each
 * utility u is rescaled to offset + slope u if this lowers the validation loss significantly. Example: users
 * click more often in the validation part of a split by time.
 *
 * Training may start from a fitted linear model with counts as inputs (logit on counts). Unless training
 * lowers the validation loss significantly, best-loss stores this logit, with rescaled utilities.
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

/** Weights for the snapshot best-loss after rescaling of utilities, and their validation loss. */
export interface RescaledBest {
  /** Training iteration of the weights (0: logit on counts), and validation loss after rescaling. */
  readonly record: BestRecord;
  readonly scale: UtilityScale;
  readonly weights: Weights;
}
type Rescaled = Omit<RescaledBest, "weights">;

/** Gains above 1.28 standard errors are significant. Without true gains, 10 % of gains look significant. */
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
  /** Last decision of `choose`, and the iteration of the trained weights that were compared. */
  #decided: { readonly iteration: number; readonly found: Rescaled | undefined } | undefined;
  /** Scale and loss of the rescaled logit; undefined until `choose` first returns the logit. */
  #logit: Rescaled | undefined;

  /** @param start - returns the model's initial weights @param logit - fits the baseline "logit on counts" */
  constructor(
    private readonly trainer: ClickTrainer<StageMetrics>,
    private readonly start: () => Weights,
    private readonly model: Pick<ModelConfig, "eta" | "loss">,
    private readonly logit: () => Weights,
  ) {}

  /**
   * Returns rescaled weights for best-loss: the trained weights or the logit on counts. Returns undefined if
   * best-loss stores trained weights without rescaling, and before the first validation. A small gain over
   * the logit does not count, because training picks the lowest of many noisy losses. The trainer's weights
   * do not change. Call only while no training step is in flight.
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

  /** Fits the scale of utilities to the validation users. @returns the scale and the losses per user */
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

  /** Calls `use`, which may set weights and evaluate them. Then restores the trainer's weights. */
  async #withValidation<T>(use: (validation: Validation | undefined) => Promise<T>): Promise<T> {
    const last = await this.trainer.weights();
    try {
      return await this.trainer.withValidation(use);
    } finally {
      this.trainer.setWeights(last);
    }
  }
}

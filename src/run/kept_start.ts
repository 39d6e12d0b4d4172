/** Whether a training has found better weights than it started from on the validation users, or only seems to have. */

import type { Weights } from "../tape/parameters.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { Evaluation } from "../train/evaluation.ts";
import type { StageFigures } from "./stages.ts";

/** Standard errors of a gain. One gain in ten is above them where there is none. */
const ERRORS = 1.28;

/** [users] sums of the loss over the events of each, by the networks as they stand. */
export async function lossByUser(evaluation: Evaluation<StageFigures>): Promise<Float64Array> {
  const sums: number[] = [];
  await evaluation.figures(undefined, ({ log, places, outcomes, words }) => {
    let e = 0;
    for (const place of places) {
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

/**
 * Puts what a training by likelihood started from in the place of its lowest validation loss, where that is not lower by more than
 * chance: it is the least of many, which is below what the same weights have on other users. Nothing may be in flight.
 * @param start all weights as they were before the first step
 */
export async function keepStart(trainer: ClickTrainer<StageFigures>, start: Weights): Promise<void> {
  const { validation } = trainer;
  if (!validation || trainer.best.loss.iteration === 0) return;
  const state = await trainer.state();
  const lossesOf = (weights: Weights) => {
    trainer.setWeights(weights);
    return lossByUser(validation);
  };
  const before = await lossesOf(start);
  const after = await lossesOf(await trainer.snapshot("loss"));
  const loss = { value: Math.fround(sum(before)), iteration: 0 };
  trainer.restore(
    isGain(before, after)
      ? state
      : { ...state, best: { ...state.best, loss }, snapshots: { ...state.snapshots, loss: start } },
  );
}

/** The training of a policy from its first page, or from where it stopped, to its last; all of it in its folder. */

import { clickRate, coverage, meanReturn, type SimulationFigures } from "../../simulate/figures.ts";
import type { StepResult } from "../../train/results.ts";
import type { CurvePoint, PolicyFolder } from "../policy_folder.ts";
import type { PolicyFigures, PolicyTrainer } from "./policy_trainer.ts";

/** What a training tells. */
export interface PolicyEvents {
  onPage?(result: StepResult<PolicyFigures>): void;
  onPoint?(point: CurvePoint): void;
}

/** What came of a session. */
export interface PolicyResult {
  readonly iteration: number;
  readonly finished: boolean;
  /** The last point of the curve in this session; undefined where it was interrupted before one. */
  readonly last: CurvePoint | undefined;
}

/** A point of the curve from the figures of an evaluation. */
function curvePoint(userSteps: number, figures: SimulationFigures): CurvePoint {
  const { returns } = figures;
  const mean = meanReturn(figures);
  const squares = returns.reduce((sum, own) => sum + (own - mean) ** 2, 0);
  return {
    userSteps,
    return: mean,
    standardError: Math.sqrt(squares / Math.max(1, returns.length - 1) / returns.length),
    clickRate: clickRate(figures),
    coverage: coverage(figures),
  };
}

/**
 * Trains to the end. Between two episodes, at each point of the curve, it is saved: from there a resumed training goes on bit
 * for bit. When `signal` is aborted the episode under way is finished and saved.
 * @throws DivergedError; what was saved before stays.
 */
export async function runPolicy(
  trainer: PolicyTrainer,
  folder: PolicyFolder,
  events: PolicyEvents,
  signal?: AbortSignal,
): Promise<PolicyResult> {
  const { schedule, config: { users } } = trainer;
  const { iterations, evaluateEvery } = schedule;
  let last: CurvePoint | undefined;
  const save = async () => folder.save(trainer.specs, await trainer.stateOfAll());
  const callbacks = {
    onStep: (result: StepResult<PolicyFigures>) => {
      const { iteration, loss, q, reward } = result;
      folder.appendPage({ iteration, loss, q, reward, epsilon: schedule.epsilon(iteration) });
      events.onPage?.(result);
    },
  };
  const evaluate = async () => {
    last = curvePoint(trainer.iteration * users, await trainer.evaluate());
    folder.appendPoint(last);
    events.onPoint?.(last);
  };
  if (!folder.hasPoints) {
    await save(); // before the curve has a row: only with a snapshot is it known what a row belongs to
    await evaluate();
    await save();
  }
  while (trainer.iteration < iterations && !signal?.aborted) {
    const next = (Math.floor(trainer.iteration / evaluateEvery) + 1) * evaluateEvery;
    const end = Math.min(iterations, next);
    await trainer.run(end, callbacks, signal);
    if (trainer.iteration < end) await trainer.run(schedule.endOfEpisode(trainer.iteration), callbacks);
    if (trainer.iteration === end) await evaluate();
    await save();
  }
  return { iteration: trainer.iteration, finished: trainer.iteration >= iterations, last };
}

/** The adversarial stage in one setting, and what became of its two players. */

import { type ClickLog, usersOf } from "../../src/data/click_log.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { defaultModel } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { choiceOf, TestedUsers } from "../../src/run/tested_users.ts";
import type { Weights } from "../../src/tape/parameters.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { type AdversarialConfig, defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { DivergedError, type ValidationResult, type GameFigures } from "../../src/train/results.ts";
import { Trainer } from "../../src/train/trainer.ts";

/** Where the game is played. */
export interface Field {
  readonly log: ClickLog;
  /** Utility of each displayed item, where it is asked how alike the reward and the truth rank the items of a page. */
  readonly truth?: Float64Array;
}

/** Validation users, on whom the reward's ranking is compared with the truth. @param truth utility of each displayed item */
export function rankingOf(log: ClickLog, truth: Float64Array): TestedUsers {
  const source = new MemoryLog(log);
  return TestedUsers.of({ source, features: undefined, truth }, usersOf(source, "validation"));
}

/** The best-prec@1 weights of the Shannon stage. */
export async function pretrain(
  gpu: Gpu,
  log: ClickLog,
  seed: number,
  onStep: (iteration: number) => void,
): Promise<Weights> {
  const model = new UserModel(gpu, log.items, defaultModel, { seed });
  const trainer = await Trainer.create(model, log, { ...defaultTraining, seed });
  await trainer.run(defaultTraining.iterations, { onStep: ({ iteration }) => onStep(iteration) });
  const weights = await trainer.snapshot("prec1");
  trainer.destroy();
  model.destroy();
  return weights;
}

/** What became of both players. */
export interface Outcome {
  readonly piStart: number;
  readonly piLeast: number;
  /** Points that pi's least is under its value at iteration 500, and under the reward's at the start. */
  readonly piFall: number;
  readonly underReward: number;
  readonly piEnd: number;
  readonly uStart: number;
  readonly uEnd: number;
  readonly nllEnd: number;
  readonly lossMin: number;
  readonly lossMax: number;
  /** NaN where it was not asked. */
  readonly rhoStart: number;
  readonly rhoEnd: number;
}

/** The adversarial stage, from a reward. */
export async function play(
  gpu: Gpu,
  { log, ranking }: { log: ClickLog; ranking: TestedUsers | undefined },
  seed: number,
  reward: Weights,
  setting: Partial<AdversarialConfig>,
  { iterations, batchSize }: { iterations: number; batchSize: number },
  onStep: (iteration: number) => void,
): Promise<Outcome> {
  const model = new UserModel(gpu, log.items, defaultModel, { weights: reward });
  const config = { ...defaultAdversarial, ...setting, iterations, batchSize };
  const trainer = await AdversarialTrainer.create(model, log, config, { seed, evaluationShards: 0 });
  const validations: ValidationResult<GameFigures>[] = [];
  const rho = async () => {
    if (!ranking) return NaN;
    const evaluation = await trainer.evaluation(ranking.users, 0);
    try {
      const { spearman = NaN } = await ranking.test(
        evaluation,
        choiceOf(defaultModel, await trainer.weights()),
      );
      return spearman;
    } finally {
      evaluation.destroy();
    }
  };
  const rhoStart = await rho();
  let rhoEnd = NaN;
  try {
    await trainer.run(iterations, {
      onStep: ({ iteration }) => onStep(iteration),
      onValidation: (v) => validations.push(v),
    });
    rhoEnd = await rho();
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
  } finally {
    trainer.destroy();
    model.destroy();
  }
  const late = validations.filter(({ iteration }) => iteration >= 500);
  const last = validations.at(-1);
  const most = (figure: (v: GameFigures) => number) =>
    Math.max(...validations.map((v) => Math.abs(figure(v))));
  const piStart = late[0]?.piPrec1 ?? NaN;
  const piLeast = Math.min(...late.map(({ piPrec1 }) => piPrec1));
  return {
    piStart,
    piLeast,
    piFall: 100 * (piStart - piLeast),
    underReward: 100 * ((validations[0]?.prec1 ?? NaN) - piLeast),
    piEnd: last?.piPrec1 ?? NaN,
    uStart: validations[0]?.prec1 ?? NaN,
    uEnd: last?.prec1 ?? NaN,
    nllEnd: last?.nll ?? NaN,
    lossMin: most((v) => v.lossMin),
    lossMax: most((v) => v.lossMax),
    ...{ rhoStart, rhoEnd },
  };
}

/** The settings of the adversarial stage that are compared, and what becomes of its two players in one. */

import type { ClickLog } from "../src/data/click_log.ts";
import { MemoryLog } from "../src/data/log_source.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { choiceOf, TestedUsers } from "../src/run/tested_users.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { AdversarialTrainer } from "../src/train/adversarial_trainer.ts";
import {
  type AdversarialConfig,
  defaultAdversarial,
  defaultTraining,
  paperAdversarial,
} from "../src/train/config.ts";
import { DivergedError, type GameFigures, type ValidationResult } from "../src/train/results.ts";
import { Trainer } from "../src/train/trainer.ts";

/** Both players step in turn at the same rate, as the paper says, and nothing else. */
const plain: Partial<AdversarialConfig> = {
  generatorSteps: 1,
  generatorWarmup: 0,
  generatorLearningRate: 5e-4,
  rewardLearningRate: 5e-4,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0,
};
const { generatorEta, etaByPage, utilityPenalty } = paperAdversarial;
/** What `reproduce` plays. */
const paper = { generatorEta, etaByPage, utilityPenalty };
const fastGenerator = { generatorLearningRate: defaultAdversarial.generatorLearningRate };
const slowReward = { rewardLearningRate: defaultAdversarial.rewardLearningRate, ...fastGenerator };

export const settings: readonly (readonly [string, Partial<AdversarialConfig>])[] = [
  ["plain alternation", plain],
  ["plain, no-click events counted", { ...plain, skipNoClick: false }],
  ["plain, 5 generator steps", { ...plain, generatorSteps: 5 }],
  ["plain, weight decay 10", { ...plain, weightDecay: 10 }],
  ["plain, penalty 0.4", { ...plain, utilityPenalty }],
  ["plain, warm-up", { ...plain, generatorWarmup: 500 }],
  ["plain, rates 1e-3 and 2e-5", { ...plain, ...slowReward }],
  ["plain, reward frozen", { ...plain, rewardSteps: 0 }],
  ["eta 1, penalty 0.4", paper],
  ["eta 1 without penalty", { ...paper, utilityPenalty: 0 }],
  ["eta 1 without warm-up", { ...paper, generatorWarmup: 0 }],
  ["eta 1, rates 5e-4 and 5e-4", { ...paper, generatorLearningRate: 5e-4, rewardLearningRate: 5e-4 }],
  ["defaults", {}],
  ["defaults without penalty", { utilityPenalty: 0 }],
  ["defaults, penalty 0.4", { utilityPenalty }],
  ["defaults, eta 0.2 on all pages", { generatorEta: 0.2, etaByPage: false }],
  ["exact generator, plain", { ...plain, generator: "exact" }],
  ["exact generator, eta 1", { ...paper, generator: "exact" }],
  ["exact generator, defaults", { generator: "exact" }],
];

/** Where the game is played. */
export interface Field {
  readonly log: ClickLog;
  /** Utility of each displayed item, where it is asked how alike the reward and the truth rank the items of a page. */
  readonly truth?: Float64Array;
}

/** Validation users, on whom the reward's ranking is compared with the truth. @param truth utility of each displayed item */
export function rankingOf(log: ClickLog, truth: Float64Array): TestedUsers {
  const source = new MemoryLog(log);
  return TestedUsers.ofPart({ source, features: undefined, places: undefined, truth }, "validation");
}

/** The best-prec@1 weights of the Shannon stage. */
export async function pretrain(
  gpu: Gpu,
  log: ClickLog,
  seed: number,
  iterations: number,
  onStep: (iteration: number) => void,
): Promise<Weights> {
  using model = new UserModel(gpu, log.items, defaultModel, { seed });
  using trainer = await Trainer.create(model, log, { ...defaultTraining, seed });
  await trainer.run(iterations, { onStep: ({ iteration }) => onStep(iteration) });
  return await trainer.snapshot("prec1");
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
  using model = new UserModel(gpu, log.items, defaultModel, { weights: reward });
  const config = { ...defaultAdversarial, ...setting, iterations, batchSize };
  using trainer = await AdversarialTrainer.create(model, log, config, { seed, evaluationShards: 0 });
  const validations: ValidationResult<GameFigures>[] = [];
  const rho = async () => {
    if (!ranking) return NaN;
    using evaluation = await trainer.evaluation(ranking.users, 0);
    const { spearman = NaN } = await ranking.test(
      evaluation,
      choiceOf(defaultModel, await trainer.weights()),
    );
    return spearman;
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

/** How the adversarial stage trains. */

import { etaSchema } from "../../model/config.ts";
import { type AdversarialConfig, adversarialConfigSchema, defaultAdversarial } from "../../train/config.ts";
import { UserError } from "../../user_error.ts";
import { choice, type GivenOptions, namesOf, type OptionGroup, switched, valued } from "./definition.ts";
import { learningRate, optimiserOf, type OptimiserOptions } from "./training.ts";
import { layerSizes, numberOf, wholeNumber } from "./values.ts";

export interface AdversarialOptions {
  /** Iterations of the stage; 0 for none. */
  adversarial: number;
  /** Whether the Shannon stage comes first. */
  pretrain: boolean;
  generator: "network" | "exact";
  behaviourDims: number[];
  generatorSteps: number;
  rewardSteps: number;
  generatorWarmup: number;
  generatorLearningRate: number;
  rewardLearningRate: number;
  generatorEta: number;
  etaByPage: boolean;
  utilityPenalty: number;
  countNoClick: boolean;
  adversarialBatchSize: number;
  adversarialValidateEvery: number;
}

const a = defaultAdversarial;

const stage = [
  valued(
    "--adversarial <n>",
    "iterations of this stage, after the Shannon stage; 0: leave it out",
    wholeNumber(0, 2 ** 31),
    0,
  ),
  switched("--no-pretrain", "leave out the Shannon stage: start from a random reward"),
];

const players = [
  choice(
    "--generator <kind>",
    "a network of its own, or the exact inner maximum (sparsemax of the utilities)",
    ["network", "exact"],
    a.generator,
  ),
  valued(
    "--behaviour-dims <sizes>",
    "hidden layers of the generator (the paper calls it the behaviour)",
    layerSizes,
    a.behaviourDims,
    {
      defaultText: a.behaviourDims.join("-"),
    },
  ),
  valued(
    "--generator-steps <n>",
    "steps of the generator in each iteration",
    wholeNumber(1, 32),
    a.generatorSteps,
  ),
  valued(
    "--reward-steps <n>",
    "steps of the reward in each iteration; 0 freezes it",
    wholeNumber(0, 32),
    a.rewardSteps,
  ),
  valued(
    "--generator-warmup <n>",
    "iterations at the start in which only the generator moves",
    wholeNumber(0, 2 ** 31),
    a.generatorWarmup,
  ),
  valued(
    "--generator-learning-rate <x>",
    "learning rate of the generator",
    learningRate,
    a.generatorLearningRate,
  ),
  valued("--reward-learning-rate <x>", "learning rate of the reward", learningRate, a.rewardLearningRate),
];

const game = [
  valued(
    "--generator-eta <x>",
    "eta in the regulariser 1/(2 eta) sum pi^2: the best answer to u is pi = sparsemax(eta u); the paper has 1",
    numberOf(etaSchema, "a number above 0 and at most 1000"),
    a.generatorEta,
  ),
  switched("--no-eta-by-page", "the same eta on pages of any length, as the paper has it"),
  valued(
    "--utility-penalty <x>",
    "pulls the utilities of a page together: adds x/2 times the mean of (u - mean u)^2 to the reward's loss",
    numberOf(adversarialConfigSchema.entries.utilityPenalty, "a number from 0 to 1000"),
    a.utilityPenalty,
  ),
  switched("--count-no-click", "count events without a click in the adversarial loss"),
  valued("--adversarial-batch-size <n>", "users in an iteration", wholeNumber(1), a.batchSize),
  valued(
    "--adversarial-validate-every <n>",
    "iterations between validations",
    wholeNumber(1),
    a.validateEvery,
  ),
];

const heading = "Adversarial stage (generator and reward in turn):";

/** The stage itself, then its players, then its loss and its steps. */
export const adversarialGroup: OptionGroup = { heading, options: [...stage, ...players, ...game] };

/** Options that say nothing without an adversarial stage. */
const STAGE_ONLY = namesOf([{ heading, options: [...players, ...game] }]);

/** @throws {UserError} for options of the stage that make no sense together, or without it */
export function checkAdversarialOptions(
  options: AdversarialOptions & { init?: string },
  given: GivenOptions,
): void {
  const { adversarial, pretrain, init, adversarialValidateEvery } = options;
  if (adversarial > 0 && adversarialValidateEvery > adversarial) {
    throw new UserError(
      `Expected --adversarial-validate-every of at most the ${adversarial} iterations of --adversarial, ` +
        `got ${adversarialValidateEvery}: without a validation there is no best snapshot.`,
    );
  }
  if (!pretrain && adversarial === 0) {
    throw new UserError(
      "Expected --adversarial <n> with --no-pretrain, got none: without the Shannon stage there is nothing else to train.",
    );
  }
  if (!pretrain && init !== undefined) {
    throw new UserError(
      "Expected either --no-pretrain (a random reward) or --init (a trained one), got both. Leave one out.",
    );
  }
  const idle = adversarial === 0 ? STAGE_ONLY.flatMap((name) => given.get(name) ?? []) : [];
  if (idle.length > 0) {
    throw new UserError(
      `Expected --adversarial <n> with ${idle.join(", ")}, got none: ` +
        "these are options of the adversarial stage.",
    );
  }
}

/** The adversarial stage that the options describe; null for none. */
export function adversarialOf(options: AdversarialOptions & OptimiserOptions): AdversarialConfig | null {
  if (options.adversarial === 0) return null;
  const { generator, behaviourDims, generatorSteps, rewardSteps, generatorEta, utilityPenalty, etaByPage } =
    options;
  const { generatorWarmup, generatorLearningRate, rewardLearningRate } = options;
  return {
    ...optimiserOf(options),
    iterations: options.adversarial,
    batchSize: options.adversarialBatchSize,
    validateEvery: options.adversarialValidateEvery,
    generator,
    behaviourDims,
    behaviourSd: defaultAdversarial.behaviourSd,
    generatorSteps,
    rewardSteps,
    generatorWarmup,
    generatorLearningRate,
    rewardLearningRate,
    generatorEta,
    etaByPage,
    utilityPenalty,
    skipNoClick: !options.countNoClick,
  };
}

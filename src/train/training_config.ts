/**
 * How a model is trained. Part of every run's config. A field stands in its interface with its type, and in the table of fields
 * with its option, range and default; all else follows (src/option.ts).
 */

import * as v from "../schema.ts";
import {
  between,
  buildSchemaEntries,
  type ConfigFields,
  defineField,
  defineFixedField,
  defineSwitchField,
  getDefaults,
  layers,
  oneOf,
  orNull,
  positive,
  whole,
} from "../option.ts";
import { type AdamKind, adamKinds } from "../ops/adam.ts";
import { criteria, type Criterion } from "./best_records.ts";
import { modelConfigSchema } from "../model/model_config.ts";

/** What both stages have. */
export interface StageConfig {
  /** Steps of the optimiser. */
  iterations: number;
  /** B, users a batch; all events of a sampled user are in the batch. */
  batchSize: number;
  /** Rows that are computed at once at most: a batch with more is cut into parts of whole users. Null: as many as fit. */
  microBatchRows: number | null;
  /** Iterations from one validation to the next. */
  validateEvery: number;
  /** Which rows of the items' tables a step moves: see {@link import("../ops/adam.ts").AdamKind}. */
  adam: AdamKind;
  /** Share of a kernel that every step takes off it, times the learning rate (AdamW's decoupled form). */
  weightDecay: number;
  /** Probability that a displayed row hides its item in training. */
  itemDropout: number;
  /** Stop when this validation figure has not improved for `patience` iterations; null: never. */
  earlyStopping: Criterion | null;
  /** Iterations without a better validation after which early stopping stops. */
  patience: number;
}

/** How the Shannon stage is trained. */
export interface TrainingConfig extends StageConfig {
  /** Rules everything random: weights, batches, the demo data, a new split. */
  seed: number;
  /** Of Adam; times 0.96 after every 100,000 iterations. */
  learningRate: number;
  /** Parts in which validation and test users are evaluated; more parts need less memory. 0: as few as fit. */
  evaluationShards: number;
  /** At most so many validation users, drawn once by the seed; null: all. It holds for both stages. */
  validationUsers: number | null;
}

/** How both stages move the weights. */
export const optimiserFields: ConfigFields<Pick<StageConfig, "adam" | "microBatchRows">> = {
  adam: defineField(
    "--adam <kind>",
    "dense moves every row of a table in every step; row-sparse moves only the rows of the items in the batch, so that " +
      "with one-hot items or tokens a larger catalogue does not slow a step down",
    oneOf(adamKinds),
    "dense",
  ),
  microBatchRows: defineField(
    "--micro-batch-rows <n>",
    "displayed items that are computed at once: a batch with more is cut into parts of whole users, whose gradients are " +
      "added up (default: as many as fit the adapter)",
    orNull(whole(1)),
    null,
  ),
};

/** What keeps both stages from over-fitting. */
export const overFittingFields: ConfigFields<
  Pick<StageConfig, "weightDecay" | "itemDropout" | "earlyStopping" | "patience">
> = {
  weightDecay: defineField(
    "--weight-decay <x>",
    "each step shrinks the kernels by this share times the learning rate (default: 0.1 in the Shannon stage of a model with " +
      "counts, otherwise 0)",
    between(0, 1000),
    0,
    { depends: true },
  ),
  itemDropout: defineField(
    "--item-dropout <p>",
    "probability that the features of a displayed item are hidden, in training",
    between(0, 0.99),
    0,
  ),
  earlyStopping: defineField(
    "--early-stopping <figure>",
    "stop when this validation figure no longer improves",
    orNull(oneOf(criteria)),
    null,
  ),
  patience: defineField("--patience <n>", "iterations to wait for an improvement", whole(1), 500),
};

const learningRate = positive(10);
/** Of a run: of all that is random. */
export const LARGEST_SEED = 2 ** 32 - 1;

/** Fields of the Shannon stage alone; the defaults are those of the paper's scripts. */
export const shannonFields: ConfigFields<
  Omit<TrainingConfig, "seed" | keyof typeof optimiserFields | keyof typeof overFittingFields>
> = {
  iterations: defineField("--iterations <n>", "steps of the optimiser", whole(1, 2 ** 31), 2000),
  batchSize: defineField(
    "--batch-size <n>",
    "users in a step, with all their events (default: as many as have some 400 pages together, with --counts none 50)",
    whole(1),
    50,
    { depends: true },
  ),
  learningRate: defineField(
    "--learning-rate <x>",
    "learning rate of Adam; multiplied by 0.96 after every 100,000 iterations (default: 0.001, with --counts none 0.0005)",
    learningRate,
    5e-4,
    { depends: true },
  ),
  validateEvery: defineField("--validate-every <n>", "iterations between validations", whole(1), 10),
  evaluationShards: defineField(
    "--evaluation-shards <n>",
    "number of parts in which users are evaluated: more parts need less memory; 0: as few as fit",
    whole(0),
    0,
  ),
  validationUsers: defineField(
    "--validation-users <n>",
    "validate on at most this many users, drawn once by the seed, in both stages (default: all)",
    orNull(whole(1)),
    null,
  ),
};

export const trainingFields: ConfigFields<TrainingConfig> = {
  seed: defineField(
    "--seed <n>",
    "seed of all that is random: weights, batches, dropout, a made-up shop, a new split",
    whole(0, LARGEST_SEED),
    1,
  ),
  ...shannonFields,
  ...optimiserFields,
  ...overFittingFields,
};
/** What a {@link TrainingConfig} must be. */
export const trainingConfigSchema = v.strictObject(buildSchemaEntries(trainingFields));
/** The Shannon stage of the paper's scripts. */
export const defaultTraining: TrainingConfig = getDefaults(trainingFields);

/** How the adversarial stage is trained. */
export interface AdversarialConfig extends StageConfig {
  /** A network of its own, or the exact inner maximum. */
  generator: "network" | "exact";
  /** Sizes of the generator's hidden layers. */
  behaviourDims: number[];
  /** Standard deviation that the generator's kernels are drawn with. */
  behaviourSd: number;
  /** Steps of the generator, then of the reward, in every iteration, on the same batch. */
  generatorSteps: number;
  /** 0 freezes the reward, as the paper's code does. */
  rewardSteps: number;
  /** Iterations at the start in which the generator moves alone, to catch up with the reward. */
  generatorWarmup: number;
  /** Of the generator's Adam. */
  generatorLearningRate: number;
  /** Of the reward's Adam. */
  rewardLearningRate: number;
  /** See {@link import("../ops/minimax.ts").GameOptions}, as of all that follows. 1 is the paper's. */
  generatorEta: number;
  /** Whether generatorEta is divided by the items of a page. */
  etaByPage: boolean;
  /** Weight of how far the utilities of a page are apart. */
  utilityPenalty: number;
  /** Whether events without a click do not count. */
  skipNoClick: boolean;
}

/** Fields of the adversarial stage alone: one that stays stable. src/model/README.md says by what. */
export const gameFields: ConfigFields<
  Omit<AdversarialConfig, keyof typeof optimiserFields | keyof typeof overFittingFields>
> = {
  iterations: defineFixedField(whole(1, 2 ** 31), 5000), // --adversarial, which is 0 for no stage
  generator: defineField(
    "--generator <kind>",
    "a network of its own, or the exact inner maximum (sparsemax of the utilities)",
    oneOf(["network", "exact"]),
    "network",
  ),
  behaviourDims: defineField(
    "--behaviour-dims <sizes>",
    "hidden layers of the generator (the paper calls it the behaviour)",
    layers(1),
    [256, 32],
  ),
  behaviourSd: defineFixedField(positive(10), 0.01),
  generatorSteps: defineField(
    "--generator-steps <n>",
    "steps of the generator in each iteration",
    whole(1, 32),
    1,
  ),
  rewardSteps: defineField(
    "--reward-steps <n>",
    "steps of the reward in each iteration; 0 freezes it",
    whole(0, 32),
    1,
  ),
  generatorWarmup: defineField(
    "--generator-warmup <n>",
    "iterations at the start in which only the generator moves",
    whole(0, 2 ** 31),
    500,
  ),
  generatorLearningRate: defineField(
    "--generator-learning-rate <x>",
    "learning rate of the generator",
    learningRate,
    1e-3,
  ),
  rewardLearningRate: defineField(
    "--reward-learning-rate <x>",
    "learning rate of the reward",
    learningRate,
    2e-5,
  ),
  generatorEta: defineField(
    "--generator-eta <x>",
    "eta in the regulariser 1/(2 eta) sum pi^2: the best answer to u is pi = sparsemax(eta u); the paper has 1",
    positive(1000),
    2,
  ),
  etaByPage: defineSwitchField(
    "--no-eta-by-page",
    "the same eta on pages of any length, as the paper has it",
    true,
  ),
  utilityPenalty: defineField(
    "--utility-penalty <x>",
    "pulls the utilities of a page together: adds x/2 times the mean of (u - mean u)^2 to the reward's loss",
    between(0, 1000),
    0.1,
  ),
  skipNoClick: defineSwitchField(
    "--count-no-click",
    "count events without a click in the adversarial loss",
    true,
  ),
  batchSize: defineField("--adversarial-batch-size <n>", "users in an iteration", whole(1), 100),
  validateEvery: defineField(
    "--adversarial-validate-every <n>",
    "iterations between validations",
    whole(1),
    100,
  ),
};

export const adversarialFields: ConfigFields<AdversarialConfig> = {
  ...gameFields,
  ...optimiserFields,
  ...overFittingFields,
};
/**
 * What an {@link AdversarialConfig} must be; see kernels/course/9-minimax.md and
 * {@link import("./adversarial_trainer.ts")}.
 * @internal
 */
export const adversarialConfigSchema = v.strictObject(buildSchemaEntries(adversarialFields));
/** An adversarial stage that stays stable: src/model/README.md says by what. */
export const defaultAdversarial: AdversarialConfig = getDefaults(adversarialFields);

/** The game of the paper, whose regulariser is 1/2 sum pi^2: what `reproduce` plays. src/model/README.md compares them. */
export const paperAdversarial: AdversarialConfig = {
  ...defaultAdversarial,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0.4,
};

/** The rate of iteration t = 1, 2, ...: the released code's staircase. */
export function scheduleLearningRate(learningRate: number, t: number): number {
  return learningRate * 0.96 ** Math.floor((t - 1) / 100000);
}

export const stagesConfigSchema = v.strictObject({
  model: modelConfigSchema,
  /** Of the Shannon stage; its seed is that of both. */
  training: trainingConfigSchema,
  /** Whether there is a Shannon stage. */
  pretrain: v.boolean(),
  /** The adversarial stage after it, or alone; null for none. */
  adversarial: v.nullable(adversarialConfigSchema),
});
export type StagesConfig = v.InferOutput<typeof stagesConfigSchema>;

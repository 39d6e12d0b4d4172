/**
 * Training config, part of every run's config. For each stage, a table has the option, range and default of
 * each field; src/option.ts derives schemas, default configs and help texts from the table.
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
  orNull,
  picklist,
  positive,
  whole,
} from "../option.ts";
import { type AdamKind, adamKinds } from "../ops/adam.ts";
import { LARGEST_SEED } from "../data/random.ts";
import { criteria, type Criterion } from "./best_records.ts";
import { modelConfigSchema } from "../model/model_config.ts";

/** Config fields of both training stages (Shannon and adversarial). */
export interface StageConfig {
  /** Number of optimiser steps. */
  iterations: number;
  /** B, the number of users per batch. A batch contains all events of its users. */
  batchSize: number;
  /** Largest number of rows per micro-batch; null for as many as fit. Larger batches are split by user. */
  microBatchRows: number | null;
  /** Number of iterations between validations. */
  validateEvery: number;
  /** Table rows that a step updates: all, or only the batch's ({@link import("../ops/adam.ts").AdamKind}). */
  adam: AdamKind;
  /** AdamW's decoupled weight decay: a step shrinks weights (not biases) by learning rate * weightDecay. */
  weightDecay: number;
  /** Weight decay of the embeddings of tokens (item ids, categories); null for the value of `weightDecay`. */
  tokenDecay: number | null;
  /** Probability that a training step hides the features of a displayed item. */
  itemDropout: number;
  /** Training stops if this metric did not improve for `patience` iterations; "none": no early stopping. */
  earlyStopping: Criterion | "none";
  /** Number of iterations without improvement before early stopping. */
  patience: number;
}

/**
 * Returns the weight decay of a model's tables: `tokenDecay` if it is not null and the items have tokens,
 * otherwise `weightDecay`. @param hasTokens - true for items with tokens, false for one-hot items
 */
export function getTableDecay(
  { weightDecay, tokenDecay }: Pick<StageConfig, "weightDecay" | "tokenDecay">,
  hasTokens: boolean,
): number {
  return hasTokens ? tokenDecay ?? weightDecay : weightDecay;
}

/** Config of the Shannon stage. */
export interface TrainingConfig extends StageConfig {
  /** Seed of all random draws: initial weights, batches, demo data, and a new split. */
  seed: number;
  /** Learning rate of Adam, multiplied by 0.96 after every 100,000 iterations. */
  learningRate: number;
  /** Number of shards of evaluated users; more shards need less memory. 0: the smallest number that fits. */
  evaluationShards: number;
  /** Largest number of validation users; null for all. Both stages draw the same users from the seed. */
  validationUsers: number | null;
}

export const optimiserFields: ConfigFields<Pick<StageConfig, "adam" | "microBatchRows">> = {
  adam: defineField(
    "--adam <kind>",
    "dense updates every row of a table in every step; row-sparse updates only the rows of the batch's items: " +
      "a step then costs the same for any size of the catalogue",
    picklist(adamKinds),
    "dense",
  ),
  microBatchRows: defineField(
    "--micro-batch-rows <n>",
    "displayed items per micro-batch: a larger batch is split into micro-batches of whole users, whose " +
      "gradients are added up (default: as many displayed items as fit the adapter)",
    orNull(whole(1)),
    null,
  ),
};

export const overFittingFields: ConfigFields<
  Pick<StageConfig, "weightDecay" | "tokenDecay" | "itemDropout" | "earlyStopping" | "patience">
> = {
  weightDecay: defineField(
    "--weight-decay <x>",
    "each step shrinks weight matrices by this share times the learning rate (default: 0.1 in the Shannon " +
      "stage of a model with counts, otherwise 0)",
    between(0, 1000),
    0,
    { depends: true },
  ),
  tokenDecay: defineField(
    "--token-decay <x>",
    "each step shrinks the embeddings of item ids and categories by this share times the learning rate " +
      "(default: 0.04 / learning rate in the Shannon stage of a model with counts, otherwise --weight-decay)",
    orNull(between(0, 1000)),
    null,
    { depends: true },
  ),
  itemDropout: defineField(
    "--item-dropout <p>",
    "probability that a training step hides the features of a displayed item",
    between(0, 0.99),
    0,
  ),
  earlyStopping: defineField(
    "--early-stopping <metric>",
    "stop when this validation metric no longer improves (default: loss in the Shannon stage of a model with " +
      "counts, otherwise none)",
    picklist([...criteria, "none"]),
    "none",
    { depends: true },
  ),
  patience: defineField(
    "--patience <n>",
    "iterations without improvement before early stopping",
    whole(1),
    500,
  ),
};

const learningRate = positive(10);

/** Config fields that only the Shannon stage has, with the defaults of the paper's scripts. */
export const shannonFields: ConfigFields<
  Omit<TrainingConfig, "seed" | keyof typeof optimiserFields | keyof typeof overFittingFields>
> = {
  iterations: defineField("--iterations <n>", "steps of the optimiser", whole(1, 2 ** 31), 2000),
  batchSize: defineField(
    "--batch-size <n>",
    "users per step, with all their events (default: as many as have 400 pages; 50 with --counts none)",
    whole(1),
    50,
    { depends: true },
  ),
  learningRate: defineField(
    "--learning-rate <x>",
    "learning rate of Adam, multiplied by 0.96 after every 100,000 iterations (default: 0.001; 0.0005 with " +
      "--counts none)",
    learningRate,
    5e-4,
    { depends: true },
  ),
  validateEvery: defineField("--validate-every <n>", "iterations between validations", whole(1), 10),
  evaluationShards: defineField(
    "--evaluation-shards <n>",
    "number of shards in which users are evaluated: more shards need less memory; 0: as few as fit",
    whole(0),
    0,
  ),
  validationUsers: defineField(
    "--validation-users <n>",
    "validate on at most this many users, drawn once from the seed, in both stages (default: all)",
    orNull(whole(1)),
    null,
  ),
};

export const trainingFields: ConfigFields<TrainingConfig> = {
  seed: defineField(
    "--seed <n>",
    "seed of all random draws: weights, batches, dropout, a synthetic shop, a new split",
    whole(0, LARGEST_SEED),
    1,
  ),
  ...shannonFields,
  ...optimiserFields,
  ...overFittingFields,
};
export const trainingConfigSchema = v.strictObject(buildSchemaEntries(trainingFields));
/** Config of the Shannon stage with the defaults of the paper's scripts. */
export const defaultTraining: TrainingConfig = getDefaults(trainingFields);

/** Config of the adversarial stage. */
export interface AdversarialConfig extends StageConfig {
  /** Kind of generator: a trained network, or the exact best response to the reward. */
  generator: "network" | "exact";
  /** Sizes of the generator's hidden layers. */
  behaviourDims: number[];
  /** Initial standard deviation of the generator's kernels. */
  behaviourSd: number;
  /** Number of generator steps per iteration, before the reward's steps on the same batch. */
  generatorSteps: number;
  /** Number of reward steps per iteration. 0 freezes the reward, as the paper's code does. */
  rewardSteps: number;
  /** Number of iterations at the start that train only the generator, while the reward stays as it is. */
  generatorWarmup: number;
  /** Learning rate of the generator. */
  generatorLearningRate: number;
  /** Learning rate of the reward. */
  rewardLearningRate: number;
  /** Eta of the regulariser (paper: 1), which {@link import("../ops/minimax.ts").GameOptions} defines. */
  generatorEta: number;
  /** True to divide generatorEta by the number of items of the page. */
  etaByPage: boolean;
  /** Weight of the penalty on the variance of utilities within a page. */
  utilityPenalty: number;
  /** True if the loss ignores events without a click. */
  skipNoClick: boolean;
}

/** Config fields that only the adversarial stage has. */
export const gameFields: ConfigFields<
  Omit<AdversarialConfig, keyof typeof optimiserFields | keyof typeof overFittingFields>
> = {
  iterations: defineFixedField(whole(1, 2 ** 31), 5000), // set by --adversarial; 0 skips the adversarial stage
  generator: defineField(
    "--generator <kind>",
    "generator: a trained network, or the exact best response to the reward (sparsemax of utilities)",
    picklist(["network", "exact"]),
    "network",
  ),
  behaviourDims: defineField(
    "--behaviour-dims <sizes>",
    "hidden layers of the generator, which the paper calls the behaviour",
    layers(1),
    [256, 32],
  ),
  behaviourSd: defineFixedField(positive(10), 0.01),
  generatorSteps: defineField("--generator-steps <n>", "generator steps per iteration", whole(1, 32), 1),
  rewardSteps: defineField(
    "--reward-steps <n>",
    "reward steps per iteration; 0 freezes the reward",
    whole(0, 32),
    1,
  ),
  generatorWarmup: defineField(
    "--generator-warmup <n>",
    "iterations at the start that train only the generator",
    whole(0, 2 ** 31),
    500,
  ),
  generatorLearningRate: defineField(
    "--generator-learning-rate <x>",
    "generator's learning rate",
    learningRate,
    1e-3,
  ),
  rewardLearningRate: defineField("--reward-learning-rate <x>", "reward's learning rate", learningRate, 2e-5),
  generatorEta: defineField(
    "--generator-eta <x>",
    "eta in the regulariser 1/(2 eta) sum pi^2; the best generator is pi = sparsemax(eta u); the paper uses 1",
    positive(1000),
    2,
  ),
  etaByPage: defineSwitchField("--no-eta-by-page", "use one eta for all pages, as in the paper", true),
  utilityPenalty: defineField(
    "--utility-penalty <x>",
    "penalty on utility differences within a page: adds x/2 times the mean of (u - mean u)^2 to the reward's loss",
    between(0, 1000),
    0.1,
  ),
  skipNoClick: defineSwitchField("--count-no-click", "count events without a click in the loss", true),
  batchSize: defineField("--adversarial-batch-size <n>", "users per iteration", whole(1), 100),
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
/** @internal */
export const adversarialConfigSchema = v.strictObject(buildSchemaEntries(adversarialFields));
/** Default config of the adversarial stage; src/model/README.md explains why it trains stably. */
export const defaultAdversarial: AdversarialConfig = getDefaults(adversarialFields);

/**
 * Adversarial config of the paper. The command `reproduce` uses this config. src/model/README.md compares it
 * with the default.
 */
export const paperAdversarial: AdversarialConfig = {
  ...defaultAdversarial,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0.4,
};

/** Returns the learning rate of iteration t = 1, 2, ..., which falls in steps, as in the paper's code. */
export function scheduleLearningRate(learningRate: number, t: number): number {
  return learningRate * 0.96 ** Math.floor((t - 1) / 100000);
}

export const stagesConfigSchema = v.strictObject({
  model: modelConfigSchema,
  /** Config of the Shannon stage; both stages use its seed. */
  training: trainingConfigSchema,
  /** True if the run has a Shannon stage. */
  pretrain: v.boolean(),
  /** Config of the adversarial stage, which follows the Shannon stage or runs alone; null for none. */
  adversarial: v.nullable(adversarialConfigSchema),
});
export type StagesConfig = v.InferOutput<typeof stagesConfigSchema>;

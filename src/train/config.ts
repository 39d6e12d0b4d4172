/** How a model is trained. Part of every run's config. Defaults are those of the paper's scripts. */

import * as v from "../schema.ts";
import { etaSchema } from "../model/config.ts";
import { type AdamKind, adamKinds } from "../ops/adam.ts";
import { criteria, type Criterion } from "./best_records.ts";

const learningRate = v.positive(10);
const seed = v.whole(0, 2 ** 32 - 1);
const iterations = v.whole(1, 2 ** 31);

/** What both stages have. */
const stage = {
  iterations,
  batchSize: v.whole(1),
  partRows: v.optional(v.nullable(v.whole(1)), null),
  validateEvery: v.whole(1),
  adam: v.optional(v.picklist(adamKinds), "dense"),
  weightDecay: v.optional(v.between(0, 1000), 0),
  itemDropout: v.optional(v.between(0, 0.99), 0),
  earlyStopping: v.optional(v.nullable(v.picklist(criteria)), null),
  patience: v.optional(v.whole(1), 500),
};

/** What a {@link TrainingConfig} must be. */
export const trainingConfigSchema = v.strictObject({
  seed,
  ...stage,
  learningRate,
  evaluationShards: v.whole(0),
  validationUsers: v.optional(v.nullable(v.whole(1)), null),
});
/** What both stages have. */
export interface StageConfig {
  /** Steps of the optimiser. */
  iterations: number;
  /** B, users a batch; all events of a sampled user are in the batch. */
  batchSize: number;
  /** Rows that are computed at once at most: a batch with more is cut into parts of whole users. Null: as many as fit. */
  partRows: number | null;
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

/** The Shannon stage of the paper's scripts. */
export const defaultTraining: TrainingConfig = {
  seed: 1,
  iterations: 2000,
  batchSize: 50,
  partRows: null,
  learningRate: 5e-4,
  validateEvery: 10,
  adam: "dense",
  weightDecay: 0,
  itemDropout: 0,
  earlyStopping: null,
  patience: 500,
  evaluationShards: 0,
  validationUsers: null,
};

/**
 * What an {@link AdversarialConfig} must be; see kernels/course/9-minimax.md and
 * {@link import("./adversarial_trainer.ts")}.
 * @internal
 */
export const adversarialConfigSchema = v.strictObject({
  ...stage,
  generator: v.picklist(["network", "exact"]),
  behaviourDims: v.pipe(v.array(v.whole(1, 4096)), v.minLength(1), v.maxLength(8)),
  behaviourSd: v.positive(10),
  generatorSteps: v.whole(1, 32),
  rewardSteps: v.whole(0, 32),
  generatorWarmup: v.whole(0, 2 ** 31),
  generatorLearningRate: learningRate,
  rewardLearningRate: learningRate,
  generatorEta: v.optional(etaSchema, 1),
  etaByPage: v.optional(v.boolean(), false),
  utilityPenalty: v.between(0, 1000),
  skipNoClick: v.boolean(),
});
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

/** An adversarial stage that stays stable: bench/stability.md says by what. */
export const defaultAdversarial: AdversarialConfig = {
  iterations: 5000,
  batchSize: 100,
  partRows: null,
  validateEvery: 100,
  adam: "dense",
  weightDecay: 0,
  itemDropout: 0,
  earlyStopping: null,
  patience: 500,
  generator: "network",
  behaviourDims: [256, 32],
  behaviourSd: 0.01,
  generatorSteps: 1,
  rewardSteps: 1,
  generatorWarmup: 500,
  generatorLearningRate: 1e-3,
  rewardLearningRate: 2e-5,
  generatorEta: 2,
  etaByPage: true,
  utilityPenalty: 0.1,
  skipNoClick: true,
};

/** The game of the paper, whose regulariser is 1/2 sum pi^2: what `reproduce` plays. bench/stability.md compares them. */
export const paperAdversarial: AdversarialConfig = {
  ...defaultAdversarial,
  generatorEta: 1,
  etaByPage: false,
  utilityPenalty: 0.4,
};

/** The rate of iteration t = 1, 2, ...: the released code's staircase. */
export function learningRateAt(learningRate: number, t: number): number {
  return learningRate * 0.96 ** Math.floor((t - 1) / 100000);
}

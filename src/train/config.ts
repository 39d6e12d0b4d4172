/** How a model is trained. Part of every run's config. Defaults are those of the paper's scripts. */

import { z } from "zod";
import { etaSchema } from "../model/config.ts";
import { adamKinds } from "../ops/adam.ts";
import { criteria } from "./best_records.ts";

const learningRate = z.number().positive().max(10);
const seed = z.int().min(0).max(2 ** 32 - 1);
/** Steps of the optimiser. */
const iterations = z.int().min(1).max(2 ** 31);

/** What both stages have. */
const stage = {
  iterations,
  /** B, users a batch; all events of a sampled user are in the batch. */
  batchSize: z.int().min(1),
  /** Rows that are computed at once at most: a batch with more is cut into parts of whole users. Null: as many as fit. */
  partRows: z.int().min(1).nullable().default(null),
  /** Iterations from one validation to the next. */
  validateEvery: z.int().min(1),
  /** Which rows of the items' tables a step moves: see {@link import("../ops/adam.ts").AdamKind}. */
  adam: z.enum(adamKinds).default("dense"),
  /** Share of a kernel that every step takes off it, times the learning rate (AdamW's decoupled form). */
  weightDecay: z.number().min(0).max(1000).default(0),
  /** Probability that a displayed row hides its item in training. */
  itemDropout: z.number().min(0).max(0.99).default(0),
  /** Stop when this validation figure has not improved for `patience` iterations; null: never. */
  earlyStopping: z.enum(criteria).nullable().default(null),
  patience: z.int().min(1).default(500),
};

/**
 * What a {@link TrainingConfig} must be.
 * @internal
 */
export const trainingConfigSchema = z.strictObject({
  /** Rules everything random: weights, batches, the demo data, a new split. */
  seed,
  ...stage,
  /** Of Adam; times 0.96 after every 100,000 iterations. */
  learningRate,
  /** Parts in which validation and test users are evaluated; more parts need less memory. 0: as few as fit. */
  evaluationShards: z.int().min(0),
  /** At most so many validation users, drawn once by the seed; null: all. It holds for both stages. */
  validationUsers: z.int().min(1).nullable().default(null),
});
/** How the Shannon stage is trained. */
export type TrainingConfig = z.infer<typeof trainingConfigSchema>;

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
export const adversarialConfigSchema = z.strictObject({
  ...stage,
  /** A network of its own, or the exact inner maximum. */
  generator: z.enum(["network", "exact"]),
  /** Sizes of the generator's hidden layers. */
  behaviourDims: z.array(z.int().min(1).max(4096)).min(1).max(8),
  /** Standard deviation that the generator's kernels are drawn with. */
  behaviourSd: z.number().positive().max(10),
  /** Steps of the generator, then of the reward, in every iteration, on the same batch. */
  generatorSteps: z.int().min(1).max(32),
  /** 0 freezes the reward, as the paper's code does. */
  rewardSteps: z.int().min(0).max(32),
  /** Iterations at the start in which the generator moves alone, to catch up with the reward. */
  generatorWarmup: z.int().min(0).max(2 ** 31),
  generatorLearningRate: learningRate,
  rewardLearningRate: learningRate,
  /** See {@link import("../ops/minimax.ts").GameOptions}, as of all that follows. 1 is the paper's. */
  generatorEta: etaSchema.default(1),
  etaByPage: z.boolean().default(false),
  utilityPenalty: z.number().min(0).max(1000),
  skipNoClick: z.boolean(),
});
/** How the adversarial stage is trained. */
export type AdversarialConfig = z.infer<typeof adversarialConfigSchema>;

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

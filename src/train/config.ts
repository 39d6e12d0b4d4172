/** How a model is trained. Part of every run's config. Defaults are those of the paper's scripts. */

import { z } from "zod";

export const trainingConfigSchema = z.strictObject({
  /** Rules everything random: weights, batches, the demo data, a new split. */
  seed: z.int().min(0).max(2 ** 32 - 1),
  /** Steps of the optimiser. */
  iterations: z.int().min(1).max(2 ** 31),
  /** B, users a batch; all events of a sampled user are in the batch. */
  batchSize: z.int().min(1),
  /** Of Adam; times 0.96 after every 100,000 iterations. */
  learningRate: z.number().positive().max(10),
  /** Iterations from one validation to the next. */
  validateEvery: z.int().min(1),
  /** Parts in which validation and test users are evaluated; more parts need less memory. 0: as few as fit. */
  evaluationShards: z.int().min(0),
});
export type TrainingConfig = z.infer<typeof trainingConfigSchema>;

export const defaultTraining: TrainingConfig = {
  seed: 1,
  iterations: 2000,
  batchSize: 50,
  learningRate: 5e-4,
  validateEvery: 10,
  evaluationShards: 0,
};

/** The rate of iteration t = 1, 2, ...: the released code's staircase. */
export function learningRateAt(config: Pick<TrainingConfig, "learningRate">, t: number): number {
  return config.learningRate * 0.96 ** Math.floor((t - 1) / 100000);
}

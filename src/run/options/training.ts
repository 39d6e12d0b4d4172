/** How the Shannon stage trains, and what both stages have in common. */

import { type AdamKind, adamKinds } from "../../ops/adam.ts";
import { criteria, type Criterion } from "../../train/best_records.ts";
import { defaultTraining, type TrainingConfig, trainingConfigSchema } from "../../train/config.ts";
import { UserError } from "../../user_error.ts";
import { choice, type OptionGroup, valued } from "./definition.ts";
import { LARGEST_SEED, numberOf, wholeNumber } from "./values.ts";

export interface ShannonOptions {
  iterations: number;
  /** Its default follows from the data: see {@link import("./by_data.ts").withDefaults}, as that of the others without one. */
  batchSize?: number;
  learningRate?: number;
  validateEvery: number;
  evaluationShards: number;
  /** All of them if not given. */
  validationUsers?: number;
}

/** How both stages train. */
export interface OptimiserOptions {
  adam: AdamKind;
  /** As many as fit if not given. */
  partRows?: number;
  weightDecay?: number;
  itemDropout: number;
  earlyStopping?: Criterion;
  patience: number;
}

export const learningRate = numberOf(
  trainingConfigSchema.entries.learningRate,
  "a number above 0 and at most 10",
);

const t = defaultTraining;

export const seedOption = valued(
  "--seed <n>",
  "seed of all that is random: weights, batches, dropout, a made-up shop, a new split",
  wholeNumber(0, LARGEST_SEED),
  t.seed,
);

export const shannonGroup: OptionGroup = {
  heading: "Training (Shannon stage: the likelihood of the clicks):",
  options: [
    valued("--iterations <n>", "steps of the optimiser", wholeNumber(1, 2 ** 31), t.iterations),
    valued(
      "--batch-size <n>",
      "users in a step, with all their events (default: as many as have some 400 pages together, with --counts none " +
        `${t.batchSize})`,
      wholeNumber(1),
    ),
    valued(
      "--learning-rate <x>",
      "learning rate of Adam; multiplied by 0.96 after every 100,000 iterations (default: 0.001, with --counts none " +
        `${t.learningRate})`,
      learningRate,
    ),
    valued("--validate-every <n>", "iterations between validations", wholeNumber(1), t.validateEvery),
    valued(
      "--evaluation-shards <n>",
      "number of parts in which users are evaluated: more parts need less memory; 0: as few as fit",
      wholeNumber(0),
      t.evaluationShards,
    ),
    valued(
      "--validation-users <n>",
      "validate on at most this many users, drawn once by the seed, in both stages (default: all)",
      wholeNumber(1),
    ),
  ],
};

export const optimiserGroups: readonly OptionGroup[] = [
  {
    heading: "Optimiser (both stages):",
    options: [
      choice(
        "--adam <kind>",
        "dense moves every row of a table in every step; row-sparse moves only the rows of the items in the batch, so " +
          "that with one-hot items or tokens a larger catalogue does not slow a step down",
        adamKinds,
        t.adam,
      ),
      valued(
        "--part-rows <n>",
        "displayed items that are computed at once: a batch with more is cut into parts of whole users, whose gradients are " +
          "added up (default: as many as fit the adapter)",
        wholeNumber(1),
      ),
    ],
  },
  {
    heading: "Against over-fitting (both stages):",
    options: [
      valued(
        "--weight-decay <x>",
        "each step shrinks the kernels by this share times the learning rate (default: 0.1 in the Shannon stage of a model with " +
          "counts, otherwise 0)",
        numberOf(trainingConfigSchema.entries.weightDecay, "a number from 0 to 1000"),
      ),
      valued(
        "--item-dropout <p>",
        "probability that the features of a displayed item are hidden, in training",
        numberOf(trainingConfigSchema.entries.itemDropout, "a number from 0 to 0.99"),
        t.itemDropout,
      ),
      choice("--early-stopping <figure>", "stop when this validation figure no longer improves", criteria),
      valued("--patience <n>", "iterations to wait for an improvement", wholeNumber(1), t.patience),
    ],
  },
];

/** @throws UserError for a stage that ends before its first validation. */
export function checkSchedule(
  { iterations, validateEvery }: Pick<ShannonOptions, "iterations" | "validateEvery">,
): void {
  if (validateEvery <= iterations) return;
  throw new UserError(
    `Expected --validate-every of at most the ${iterations} iterations, got ${validateEvery}: ` +
      "without a validation there is no best snapshot.",
  );
}

/** What the configs of both stages say of the optimiser. */
export function optimiserOf(options: OptimiserOptions) {
  const { adam, partRows = null, weightDecay = 0, itemDropout, earlyStopping = null, patience } = options;
  return { adam, partRows, weightDecay, itemDropout, earlyStopping, patience };
}

/** The training of the Shannon stage that the options describe. */
export function trainingOf(
  options:
    & ShannonOptions
    & Required<Pick<ShannonOptions, "batchSize" | "learningRate">>
    & OptimiserOptions
    & {
      seed: number;
    },
): TrainingConfig {
  const { seed, iterations, batchSize, learningRate, validateEvery, evaluationShards } = options;
  const { validationUsers = null } = options;
  return {
    seed,
    iterations,
    batchSize,
    learningRate,
    validateEvery,
    evaluationShards,
    validationUsers,
    ...optimiserOf(options),
  };
}

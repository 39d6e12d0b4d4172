/** The options of `train`. */

import { Command, Option } from "commander";
import { quoted } from "./shell_word.ts";
import { UserError } from "../user_error.ts";
import { defaultModel, defaultPwModel, etaSchema, type ModelConfig } from "../model/config.ts";
import { type AdamKind, adamKinds } from "../ops/adam.ts";
import { criteria, type Criterion } from "../train/best_keeper.ts";
import {
  type AdversarialConfig,
  adversarialConfigSchema,
  defaultAdversarial,
  defaultTraining,
  type TrainingConfig,
  trainingConfigSchema,
} from "../train/config.ts";
import { version } from "../version.ts";
import { CALIBRATION_OPTION } from "./calibration.ts";
import { DATA_HELP, memoryRowsOption } from "./open_data.ts";
import {
  checkSeeds,
  folder,
  LARGEST_SEED,
  layerSizes,
  numberOf,
  parse,
  path,
  wholeNumber,
} from "./options.ts";

export interface TrainOptions {
  data: string;
  saveDir?: string;
  resplit: boolean;
  memoryRows: number;
  seed: number;
  seeds: number;
  init?: string;
  resume?: string;
  report: boolean;
  calibration: boolean;
  encoder: "lstm" | "pw";
  lstmUnits: number;
  pwLags: number;
  pwWeightings: number;
  pwNonlinearity: "none" | "tanh";
  dims: number[];
  batchNorm: boolean;
  eta: number;
  /** No default: it depends on the encoder. */
  kernelSd?: number;
  iterations: number;
  batchSize: number;
  learningRate: number;
  validateEvery: number;
  evaluationShards: number;
  /** All of them if not given. */
  validationUsers?: number;
  adam: AdamKind;
  weightDecay: number;
  itemDropout: number;
  earlyStopping?: Criterion;
  patience: number;
  /** Iterations of the adversarial stage; 0 for none. */
  adversarial: number;
  pretrain: boolean;
  generator: "network" | "exact";
  behaviourDims: number[];
  generatorSteps: number;
  rewardSteps: number;
  generatorWarmup: number;
  generatorLearningRate: number;
  rewardLearningRate: number;
  generatorEta: number;
  utilityPenalty: number;
  countNoClick: boolean;
  adversarialBatchSize: number;
  adversarialValidateEvery: number;
}

/** Options that describe the model; with --init they default to the snapshot's. */
export const MODEL_OPTIONS = [
  "encoder",
  "lstmUnits",
  "pwLags",
  "pwWeightings",
  "pwNonlinearity",
  "dims",
  "batchNorm",
  "eta",
  "kernelSd",
] as const;
/** The only options that may stand beside --resume: everything else is in the run's config. */
const RESUME_OPTIONS = ["resume", "iterations", "adversarial", "report"];

/** The options, and which of them were given. @throws UserError for anything that is not understood. */
export function parseTrainOptions(
  args: readonly string[],
): { options: TrainOptions; given: ReadonlySet<string> } {
  const t = defaultTraining;
  const a = defaultAdversarial;
  const shape = trainingConfigSchema.shape;
  const rate = numberOf(shape.learningRate, "a number above 0 and at most 10");
  const command = new Command("deno task train")
    .description(
      "Trains a user model on a click log: what a user would click, and the reward behind it.\n" +
        "Without options it trains on the built-in demo shop, whose truth is known.",
    )
    .version(version)
    .optionsGroup("Data:")
    .option("--data <path>", DATA_HELP, path, "demo")
    .addOption(memoryRowsOption())
    .option("--resplit", "deal the users out anew (by --seed) instead of using the file's split", false)
    .optionsGroup("Run:")
    .option("--save-dir <folder>", "where the run is written (default: runs/<data>-<time>)", folder)
    .option("--seed <n>", "rules everything random", wholeNumber(0, LARGEST_SEED), t.seed)
    .option(
      "--seeds <n>",
      "train this many models, seeds --seed and up; report mean and sd",
      wholeNumber(1, 1000),
      1,
    )
    .option(
      "--init <run or file>",
      "start from the weights of a snapshot (.safetensors), or of a run's best prec@1; with --adversarial instead of " +
        "the Shannon stage",
      folder,
    )
    .option(
      "--resume <run>",
      "go on with an interrupted run (or --seeds folder), bit for bit; --iterations or " +
        "--adversarial may extend it",
      folder,
    )
    .option("--no-report", "do not write report.html at the end")
    .option(...CALIBRATION_OPTION)
    .optionsGroup("Model:")
    .addOption(
      new Option("--encoder <kind>", "what makes a state of the history: an LSTM, or position weights")
        .choices(["lstm", "pw"]).default("lstm"),
    )
    .option("--lstm-units <n>", "size of the LSTM's state", wholeNumber(1, 1024), defaultModel.lstmUnits)
    .option("--pw-lags <n>", "how many clicks back it looks", wholeNumber(1, 64), defaultPwModel.pwLags)
    .option("--pw-weightings <n>", "weightings of them", wholeNumber(1, 16), defaultPwModel.pwWeightings)
    .addOption(
      new Option("--pw-nonlinearity <kind>", "none as in the paper's code, tanh with a bias as in its Eq. 4")
        .choices(["none", "tanh"]).default(defaultPwModel.pwNonlinearity),
    )
    .addOption(
      new Option("--dims <sizes>", "hidden layers of the utility, e.g. 32-64-32").argParser(layerSizes)
        .default(defaultModel.dims, defaultModel.dims.join("-")),
    )
    .option("--batch-norm", "normalise each hidden layer over the batch", false)
    .option(
      "--eta <x>",
      "how sharply users choose: P(a) = exp(eta u_a) / (1 + sum exp(eta u))",
      numberOf(etaSchema, "a number above 0 and at most 1000"),
      defaultModel.eta,
    )
    .option(
      "--kernel-sd <x>",
      "standard deviation that the utility's kernels are drawn with (default: 0.1, with pw 0.001)",
      numberOf(shape.learningRate, "a number above 0 and at most 10"),
    )
    .optionsGroup("Training (Shannon stage: the likelihood of the clicks):")
    .option("--iterations <n>", "steps of the optimiser", wholeNumber(1, 2 ** 31), t.iterations)
    .option("--batch-size <n>", "users a step, with all their events", wholeNumber(1), t.batchSize)
    .option(
      "--learning-rate <x>",
      "of Adam; times 0.96 after every 100,000 iterations",
      rate,
      t.learningRate,
    )
    .option("--validate-every <n>", "iterations between validations", wholeNumber(1), t.validateEvery)
    .option(
      "--evaluation-shards <n>",
      "parts in which users are evaluated: more need less memory; 0: as few as fit",
      wholeNumber(0),
      t.evaluationShards,
    )
    .option(
      "--validation-users <n>",
      "validate on at most so many users, drawn once by the seed, in both stages (default: all)",
      wholeNumber(1),
    )
    .optionsGroup("Optimiser (both stages):")
    .addOption(
      new Option(
        "--adam <kind>",
        "row-sparse: with one-hot items a step moves only the rows of items that its batch shows or feeds, and no " +
          "longer costs by the catalogue; other rows keep weights and moments, where dense Adam goes on moving them " +
          "by their momentum",
      ).choices(adamKinds).default(t.adam),
    )
    .optionsGroup("Against over-fitting (both stages):")
    .option(
      "--weight-decay <x>",
      "share of a kernel that each step takes off it, times the learning rate",
      numberOf(adversarialConfigSchema.shape.weightDecay, "a number from 0 to 1000"),
      t.weightDecay,
    )
    .option(
      "--item-dropout <p>",
      "probability that a displayed item's features are hidden, in training",
      numberOf(adversarialConfigSchema.shape.itemDropout, "a number from 0 to 0.99"),
      t.itemDropout,
    )
    .addOption(
      new Option("--early-stopping <figure>", "stop when this validation figure no longer improves")
        .choices(criteria),
    )
    .option("--patience <n>", "iterations to wait for an improvement", wholeNumber(1), t.patience)
    .optionsGroup("Adversarial stage (generator and reward in turn):")
    .option(
      "--adversarial <n>",
      "its iterations, after the Shannon stage; 0 for none",
      wholeNumber(0, 2 ** 31),
      0,
    )
    .option("--no-pretrain", "leave the Shannon stage out: start from a random reward")
    .addOption(
      new Option(
        "--generator <kind>",
        "a network of its own, or the exact inner maximum (sparsemax of the utilities)",
      )
        .choices(["network", "exact"]).default(a.generator),
    )
    .addOption(
      new Option("--behaviour-dims <sizes>", "hidden layers of the generator").argParser(layerSizes)
        .default(a.behaviourDims, a.behaviourDims.join("-")),
    )
    .option(
      "--generator-steps <n>",
      "of the generator, every iteration",
      wholeNumber(1, 32),
      a.generatorSteps,
    )
    .option(
      "--reward-steps <n>",
      "of the reward, every iteration; 0 freezes it",
      wholeNumber(0, 32),
      a.rewardSteps,
    )
    .option(
      "--generator-warmup <n>",
      "iterations at the start in which the generator moves alone",
      wholeNumber(0, 2 ** 31),
      a.generatorWarmup,
    )
    .option("--generator-learning-rate <x>", "of the generator's Adam", rate, a.generatorLearningRate)
    .option("--reward-learning-rate <x>", "of the reward's Adam", rate, a.rewardLearningRate)
    .option(
      "--generator-eta <x>",
      "of the regulariser 1/(2 eta) sum pi^2: the generator answers u with sparsemax(eta u); the paper's is 1",
      numberOf(etaSchema, "a number above 0 and at most 1000"),
      a.generatorEta,
    )
    .option(
      "--utility-penalty <x>",
      "pulls the utilities of a page together: adds x/2 sum (u - mean u)^2 to the reward's loss",
      numberOf(adversarialConfigSchema.shape.utilityPenalty, "a number from 0 to 1000"),
      a.utilityPenalty,
    )
    .option("--count-no-click", "let events without a click count in the adversarial loss", false)
    .option("--adversarial-batch-size <n>", "users an iteration", wholeNumber(1), a.batchSize)
    .option(
      "--adversarial-validate-every <n>",
      "iterations between validations",
      wholeNumber(1),
      a.validateEvery,
    )
    .addHelpText(
      "after",
      `
Examples:
  deno task train                                     the demo shop, in under two minutes
  deno task train --data yelp.txt --seeds 5           five seeds, mean and sd
  deno task train --data log.txt --dims 32-64-32 --iterations 500
  deno task train --resume runs/demo-20260101-120000  after Ctrl-C
  deno task train --data yelp.txt --encoder pw --pw-nonlinearity tanh --early-stopping loss
  deno task train --data yelp.txt --adversarial 5000  both stages
  deno task train --data yelp.txt --init runs/yelp --adversarial 5000 --generator exact

A run's folder holds config.json, train.csv, validation.csv, the snapshots best-loss,
best-prec1, best-prec2 and last (.safetensors), result.json with the test figures, and
report.html; those of the adversarial stage stand in its subfolder adversarial.`,
    );
  const options = parse<TrainOptions>(command, args);
  const given = new Set(
    command.options.map((o) => o.attributeName()).filter((name) =>
      command.getOptionValueSource(name) === "cli"
    ),
  );
  if (options.resume !== undefined) {
    const extra = [...given].filter((name) => !RESUME_OPTIONS.includes(name));
    if (extra.length > 0) {
      const flags = command.options.filter((o) => extra.includes(o.attributeName())).map((o) => o.long);
      throw new UserError(
        `Expected --resume alone or with --iterations or --adversarial, got ${
          flags.join(", ")
        } too: a resumed run keeps its settings. ` +
          `To train further under other settings, start a new run with --init ${
            quoted(`${options.resume}/last.safetensors`)
          }.`,
      );
    }
  }
  if (options.resume === undefined) checkTogether(options, given);
  return { options, given };
}

/** @throws UserError for options that make no sense together. */
function checkTogether(options: TrainOptions, given: ReadonlySet<string>): void {
  const { adversarial, pretrain, init, iterations, validateEvery, adversarialValidateEvery } = options;
  checkSeeds(options.seed, options.seeds);
  const trains = pretrain && !(init !== undefined && adversarial > 0);
  if (trains && validateEvery > iterations) {
    throw new UserError(
      `Expected --validate-every of at most the ${iterations} iterations, got ${validateEvery}: ` +
        "without a validation there is no best snapshot.",
    );
  }
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
  if (adversarial === 0) {
    const idle = ADVERSARIAL_OPTIONS.filter((name) => given.has(name));
    if (idle.length > 0) {
      const flags = idle.map((name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`).join(
        ", ",
      );
      throw new UserError(
        `Expected --adversarial <n> with ${flags}, got none: they are of the adversarial stage.`,
      );
    }
  }
}

const ADVERSARIAL_OPTIONS = [
  "generator",
  "behaviourDims",
  "generatorSteps",
  "rewardSteps",
  "generatorWarmup",
  "generatorLearningRate",
  "rewardLearningRate",
  "generatorEta",
  "utilityPenalty",
  "countNoClick",
  "adversarialBatchSize",
  "adversarialValidateEvery",
];

/** The model that the options describe. */
export function modelOf(options: TrainOptions): ModelConfig {
  const { dims, batchNorm, eta } = options;
  if (options.encoder === "lstm") {
    const kernelSd = options.kernelSd ?? defaultModel.kernelSd;
    return { encoder: "lstm", lstmUnits: options.lstmUnits, dims, batchNorm, eta, kernelSd };
  }
  const { pwLags, pwWeightings, pwNonlinearity } = options;
  const kernelSd = options.kernelSd ?? defaultPwModel.kernelSd;
  return { encoder: "pw", pwLags, pwWeightings, pwNonlinearity, dims, batchNorm, eta, kernelSd };
}

function ofBothStages(options: TrainOptions) {
  const { adam, weightDecay, itemDropout, earlyStopping = null, patience } = options;
  return { adam, weightDecay, itemDropout, earlyStopping, patience };
}

export function trainingOf(options: TrainOptions): TrainingConfig {
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
    ...ofBothStages(options),
  };
}

/** Null without an adversarial stage. */
export function adversarialOf(options: TrainOptions): AdversarialConfig | null {
  if (options.adversarial === 0) return null;
  const { generator, behaviourDims, generatorSteps, rewardSteps, generatorEta, utilityPenalty } = options;
  const { generatorWarmup, generatorLearningRate, rewardLearningRate } = options;
  return {
    ...ofBothStages(options),
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
    utilityPenalty,
    skipNoClick: !options.countNoClick,
  };
}

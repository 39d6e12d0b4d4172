/** Stages of a run: what each trains, where it writes, and the names of its metrics. */

import type { ChoiceMetrics } from "../data/ranking.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { InitialWeights } from "../model/model_counts.ts";
import { buildGeneratorConfig } from "../model/game_programs.ts";
import { POSITION_BIAS } from "../model/position_effect.ts";
import type { UserModel } from "../model/user_model.ts";
import type { Weights } from "../tape/parameters.ts";
import { AdversarialTrainer } from "../train/adversarial_trainer.ts";
import type { ClickTrainer } from "../train/click_trainer.ts";
import type { ValidationSchedule } from "../train/best_records.ts";
import type { StagesConfig } from "../train/training_config.ts";
import { GENERATOR_PREFIX, selectNetworkWeights } from "../train/networks.ts";
import type { GameMetrics } from "../train/training_results.ts";
import type { DistributedContext } from "../train/distributed_context.ts";
import { Trainer } from "../train/trainer.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import type { SnapshotGame } from "./snapshot/snapshot.ts";

export type StageName = "shannon" | "adversarial";

/** Metrics of any stage; those of a game only in the adversarial stage. */
export type StageMetrics = ChoiceMetrics & Partial<GameMetrics>;

/** A metric and its name in progress lines. */
export interface NamedMetric {
  readonly name: string;
  readonly metric: keyof GameMetrics;
}

export interface TrainingStage {
  readonly name: StageName;
  readonly title: string;
  /** Heading of its test metrics. */
  readonly heading: string;
  /** Option of `train` that sets its iterations. */
  readonly option: "iterations" | "adversarial";
  /** Error if that option should extend a run without this stage. */
  readonly absent: string;
  /** Metric of each column of train.csv and validation.csv, after the iteration. */
  readonly columns: Readonly<Record<string, keyof GameMetrics>>;
  /** Metrics of its progress line. */
  readonly shown: { readonly loss: NamedMetric; readonly prec1: NamedMetric };
  /** True if its loss is a likelihood, comparable with that of the ground truth. */
  readonly hasLikelihood: boolean;
  /** Snapshot whose ranking is judged. */
  readonly judged: "best-loss" | "best-prec1";
  isPartOf(config: StagesConfig): boolean;
  /** Returns its folder within the run's folder. */
  folder(run: string): string;
  /** Returns its iterations; the run must include the stage, as for the methods below. */
  iterations(config: StagesConfig): number;
  /** Returns when it validates and stops early. */
  schedule(config: StagesConfig): ValidationSchedule;
  withIterations<C extends StagesConfig>(config: C, iterations: number): C;
  /**
   * @param generator initial weights, if the stage has one; random if not given. @param distributed context of several ranks.
   */
  create(
    model: UserModel,
    data: Pick<Dataset, "source">,
    config: StagesConfig,
    generator: Weights | undefined,
    distributed?: DistributedContext,
  ): Promise<ClickTrainer<StageMetrics>>;
  /** Returns the game recorded in its snapshots; undefined without a generator. */
  game(model: ModelConfig, config: StagesConfig): SnapshotGame | undefined;
}

export const shannonStage: TrainingStage = {
  name: "shannon",
  title: "Shannon stage",
  heading: "Test users",
  option: "iterations",
  absent: "This run has no Shannon stage that --iterations could extend.",
  columns: { loss: "nll", prec1: "prec1", prec2: "prec2" },
  shown: { loss: { name: "loss", metric: "nll" }, prec1: { name: "prec@1", metric: "prec1" } },
  hasLikelihood: true,
  // All commands use this snapshot, and on most logs it ranks better than the one with the best validation prec@1: the loss
  // uses the probability of each page's click, prec@1 only one bit per page (bench/trials.md).
  judged: "best-loss",
  isPartOf: ({ pretrain }) => pretrain,
  folder: (run) => run,
  iterations: ({ training }) => training.iterations,
  schedule: ({ training }) => training,
  withIterations: (config, iterations) => ({ ...config, training: { ...config.training, iterations } }),
  create: (model, { source }, { training }, _, distributed) =>
    Trainer.create(model, source, training, { distributed }),
  game: () => undefined,
};

export const adversarialStage: TrainingStage = {
  name: "adversarial",
  title: "adversarial stage",
  heading: "Test users, after the adversarial stage",
  option: "adversarial",
  absent: "This run has no adversarial stage that --adversarial could extend. " +
    "Add one in a new run: --init <this run> --adversarial <n>.",
  columns: {
    loss: "nll",
    loss_min: "lossMin",
    loss_max: "lossMax",
    pi_prec1: "piPrec1",
    pi_prec2: "piPrec2",
    prec1: "prec1",
    prec2: "prec2",
  },
  shown: {
    loss: { name: "loss_min", metric: "lossMin" },
    prec1: { name: "pi prec@1", metric: "piPrec1" },
  },
  hasLikelihood: false,
  judged: "best-prec1",
  isPartOf: ({ adversarial }) => adversarial !== null,
  folder: (run) => `${run}/adversarial`,
  iterations: (config) => getAdversarialConfig(config).iterations,
  schedule: getAdversarialConfig,
  withIterations: (config, iterations) => ({
    ...config,
    adversarial: { ...getAdversarialConfig(config), iterations },
  }),
  create(model, { source }, config, generatorWeights, distributed) {
    const { seed, evaluationShards, validationUsers } = config.training;
    const options = { seed, evaluationShards, validationUsers, generatorWeights, distributed };
    return AdversarialTrainer.create(model, source, getAdversarialConfig(config), options);
  },
  game(model, config) {
    const adversarial = getAdversarialConfig(config);
    const { generatorEta, etaByPage, utilityPenalty, skipNoClick } = adversarial;
    const generator = adversarial.generator === "exact" ? null : buildGeneratorConfig(model, adversarial);
    return { generator, eta: model.eta, generatorEta, etaByPage, utilityPenalty, skipNoClick };
  },
};

function getAdversarialConfig({ adversarial }: StagesConfig) {
  if (!adversarial) throw new Error("this run has no adversarial stage");
  return adversarial;
}

/** All stages, in order. */
export const stages: readonly TrainingStage[] = [shannonStage, adversarialStage];

/** Returns the stages of a run, in order. Each starts from the best-prec1 snapshot of the one before. */
export function listStages(config: StagesConfig): TrainingStage[] {
  return stages.filter((stage) => stage.isPartOf(config));
}

/** Returns the previous stage of a run; undefined for the first. */
export function findStageBefore(stage: TrainingStage, config: StagesConfig): TrainingStage | undefined {
  return listStages(config)[listStages(config).indexOf(stage) - 1];
}

/**
 * Builds the initial weights of a stage: the given ones, or random ones; a missing generator is random. Position effects are
 * dropped if the model has none, as in the adversarial stage.
 */
export function buildStart(
  init: Weights | undefined,
  seed: number,
  { positions }: Pick<ModelConfig, "positions">,
): { initial: InitialWeights; generator: Weights | undefined } {
  if (!init) return { initial: { seed }, generator: undefined };
  const generator = selectNetworkWeights(init, GENERATOR_PREFIX);
  const weights = selectNetworkWeights(init, "");
  if (positions === 0) weights.delete(POSITION_BIAS);
  return { initial: { weights }, generator: generator.size > 0 ? generator : undefined };
}

/** Returns the values of a stage's columns; NaN for a missing metric. */
export function buildRow({ columns }: TrainingStage, metrics: StageMetrics): number[] {
  return Object.values(columns).map((name) => metrics[name] ?? NaN);
}

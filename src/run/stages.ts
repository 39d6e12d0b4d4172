/** Stages of a run. A stage defines its trainer, its folder and the names of its metrics. */

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
import type { SnapshotName } from "./run_state.ts";
import type { SnapshotGame } from "./snapshot/snapshot.ts";

export type StageName = "shannon" | "adversarial";

/** Metrics of a stage. Only the adversarial stage has metrics of the adversarial game. */
export type StageMetrics = ChoiceMetrics & Partial<GameMetrics>;

/** Key of a metric, and the metric's name in progress lines. */
export interface NamedMetric {
  readonly name: string;
  readonly metric: keyof GameMetrics;
}

export interface TrainingStage {
  readonly name: StageName;
  readonly title: string;
  /** Heading above the stage's test metrics. */
  readonly heading: string;
  /** Option of `train` that sets the stage's number of iterations. */
  readonly option: "iterations" | "adversarial";
  /** Error message if a user sets `option` to extend a run that lacks this stage. */
  readonly absent: string;
  /** Columns of train.csv and validation.csv after the first column `iteration`, each with its metric. */
  readonly columns: Readonly<Record<string, keyof GameMetrics>>;
  /** Metrics in the stage's progress lines. */
  readonly shown: { readonly loss: NamedMetric; readonly prec1: NamedMetric };
  /** True if the loss is a negative log-likelihood, which can be compared with the ground truth's loss. */
  readonly hasLikelihood: boolean;
  /** Snapshot whose ranking of items is compared with the rankings of the baselines. */
  readonly judged: SnapshotName;
  isPartOf(config: StagesConfig): boolean;
  /** Returns the path of the stage's folder. @param run - path of the run's folder */
  folder(run: string): string;
  /** Returns the stage's number of iterations. @throws Error for a config without the stage. */
  iterations(config: StagesConfig): number;
  /** Returns the interval between validations, and the rule for early stopping. */
  schedule(config: StagesConfig): ValidationSchedule;
  withIterations<C extends StagesConfig>(config: C, iterations: number): C;
  /** Creates the stage's trainer. @param generator - the generator's initial weights; random if undefined */
  create(
    model: UserModel,
    data: Pick<Dataset, "source">,
    config: StagesConfig,
    generator: Weights | undefined,
    distributed?: DistributedContext,
  ): Promise<ClickTrainer<StageMetrics>>;
  /** Returns the settings of the adversarial game for snapshots; undefined for the Shannon stage. */
  game(model: ModelConfig, config: StagesConfig): SnapshotGame | undefined;
}

export const shannonStage: TrainingStage = {
  name: "shannon",
  title: "Shannon stage",
  heading: "Test users",
  option: "iterations",
  absent: "This run has no Shannon stage, so --iterations cannot extend it.",
  columns: { loss: "nll", prec1: "prec1", prec2: "prec2" },
  shown: { loss: { name: "loss", metric: "nll" }, prec1: { name: "prec@1", metric: "prec1" } },
  hasLikelihood: true,
  // All commands use best-loss. On most logs it ranks better than best-prec1 (bench/trials.md), because the
  // loss uses the probability of each page's click, but prec@1 uses only one bit per page.
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
  absent: "This run has no adversarial stage, so --adversarial cannot extend it. " +
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
  shown: { loss: { name: "loss_min", metric: "lossMin" }, prec1: { name: "pi prec@1", metric: "piPrec1" } },
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

/** All stages, in the order of training. */
export const stages: readonly TrainingStage[] = [shannonStage, adversarialStage];

/** Returns a run's stages in order. The second stage starts from the snapshot best-prec1 of the first. */
export function listStages(config: StagesConfig): TrainingStage[] {
  return stages.filter((stage) => stage.isPartOf(config));
}

/** Returns the stage that a run trains before `stage`; undefined if `stage` is the first. */
export function findStageBefore(stage: TrainingStage, config: StagesConfig): TrainingStage | undefined {
  return listStages(config)[listStages(config).indexOf(stage) - 1];
}

/**
 * Builds the initial weights of a stage from `init`. A network that is not in `init` gets random weights. For
 * a model without position effects (`positions` is 0), the position effects in `init` are dropped.
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

/** Returns a row for the stage's logs: one metric per column; NaN for an undefined metric. */
export function buildRow({ columns }: TrainingStage, metrics: StageMetrics): number[] {
  return Object.values(columns).map((name) => metrics[name] ?? NaN);
}

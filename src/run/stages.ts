/** The stages that a run may go through: what each trains, where it writes, and what its figures are called. */

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

/** Figures of any stage: those of a game only where there is one. */
export type StageMetrics = ChoiceMetrics & Partial<GameMetrics>;

/** A figure, and what it is called while it is shown. */
export interface NamedMetric {
  readonly name: string;
  readonly figure: keyof GameMetrics;
}

export interface TrainingStage {
  readonly name: StageName;
  /** In messages. */
  readonly title: string;
  /** Above its test figures. */
  readonly heading: string;
  /** The option of `train` that sets its iterations. */
  readonly option: "iterations" | "adversarial";
  /** What is said when that option is to extend a run without this stage. */
  readonly absent: string;
  /** Which figure each column of train.csv and validation.csv holds, after the iteration. */
  readonly columns: Readonly<Record<string, keyof GameMetrics>>;
  /** What is shown while it trains. */
  readonly shown: { readonly loss: NamedMetric; readonly prec1: NamedMetric };
  /** Whether its loss is a likelihood, which compares with that of the truth. */
  readonly hasLikelihood: boolean;
  /** The snapshot by which its ranking is judged. */
  readonly judged: "best-loss" | "best-prec1";
  isPartOf(config: StagesConfig): boolean;
  /** Where it is written, in the run's folder. */
  folder(run: string): string;
  /** Of a run that it is part of, as for all that follows. */
  iterations(config: StagesConfig): number;
  /** When it validates, and ends early. */
  schedule(config: StagesConfig): ValidationSchedule;
  withIterations<C extends StagesConfig>(config: C, iterations: number): C;
  /** @param generator weights to start from, where the stage has one; drawn if not given. @param distributed set for several ranks. */
  create(
    model: UserModel,
    data: Pick<Dataset, "source">,
    config: StagesConfig,
    generator: Weights | undefined,
    distributed?: DistributedContext,
  ): Promise<ClickTrainer<StageMetrics>>;
  /** What the snapshots say of the generator; undefined without one. */
  game(model: ModelConfig, config: StagesConfig): SnapshotGame | undefined;
}

export const shannonStage: TrainingStage = {
  name: "shannon",
  title: "Shannon stage",
  heading: "Test users",
  option: "iterations",
  absent: "This run has no Shannon stage that --iterations could extend.",
  columns: { loss: "nll", prec1: "prec1", prec2: "prec2" },
  shown: { loss: { name: "loss", figure: "nll" }, prec1: { name: "prec@1", figure: "prec1" } },
  hasLikelihood: true,
  // It is what all commands take of a run, and on most logs it ranks better than what a validation's prec@1 chooses: a page
  // gives that one answer, and the loss a probability (bench/trials.md).
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
    "Add one in a run of its own: --init <this run> --adversarial <n>.",
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
    loss: { name: "loss_min", figure: "lossMin" },
    prec1: { name: "pi prec@1", figure: "piPrec1" },
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

/** In the order in which a run goes through them. */
export const stages: readonly TrainingStage[] = [shannonStage, adversarialStage];

/** Which stages a run goes through, in order. Each starts from the best prec@1 of the one before. */
export function listStages(config: StagesConfig): TrainingStage[] {
  return stages.filter((stage) => stage.isPartOf(config));
}

/** The stage that another one of a run starts from; undefined for the first. */
export function findStageBefore(stage: TrainingStage, config: StagesConfig): TrainingStage | undefined {
  return listStages(config)[listStages(config).indexOf(stage) - 1];
}

/**
 * What a stage's networks start from: these weights, or drawn ones; the generator's are drawn where there are none. Effects of
 * places are left out where the model has none, as the game is of choices whatever their places.
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

/** The values of a stage's columns; NaN for a figure that there is none of. */
export function buildRow({ columns }: TrainingStage, figures: StageMetrics): number[] {
  return Object.values(columns).map((figure) => figures[figure] ?? NaN);
}

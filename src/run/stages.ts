/** The stages of a run: what each trains, where it writes, and what its figures are called. */

import { usersOf } from "../data/click_log.ts";
import type { ChoiceFigures } from "../data/ranking.ts";
import type { ModelConfig } from "../model/config.ts";
import { generatorConfig } from "../model/generator.ts";
import type { UserModel } from "../model/user_model.ts";
import type { Weights } from "../tape/parameters.ts";
import { AdversarialTrainer, evaluateGame, gameOptions } from "../train/adversarial_trainer.ts";
import type { BatchTrainer } from "../train/batch_trainer.ts";
import { Evaluation } from "../train/evaluation.ts";
import type { GameFigures } from "../train/sums.ts";
import { Trainer } from "../train/trainer.ts";
import type { Dataset } from "./dataset.ts";
import type { RunConfig } from "./run_config.ts";
import type { SnapshotGame } from "./snapshot.ts";

export type StageName = "shannon" | "adversarial";

export interface Stage<F extends ChoiceFigures> {
  readonly name: StageName;
  /** Where it is written, in the run's folder. */
  folder(run: string): string;
  /** Of train.csv and validation.csv, after the iteration. */
  readonly columns: readonly string[];
  /** The values of the columns. */
  row(figures: F): number[];
  iterations(config: RunConfig): number;
  /** @param generator weights to start from, where the stage has one; drawn if not given. */
  create(
    model: UserModel,
    data: Dataset,
    config: RunConfig,
    generator: Weights | undefined,
  ): Promise<BatchTrainer<F>>;
  /** What the snapshots say of the generator; undefined without one. */
  game(model: ModelConfig, config: RunConfig): SnapshotGame | undefined;
  evaluate(trainer: BatchTrainer<F>, data: Dataset, config: RunConfig): Promise<Evaluation<F>>;
}

export const shannonStage: Stage<ChoiceFigures> = {
  name: "shannon",
  folder: (run) => run,
  columns: ["loss", "prec1", "prec2"],
  row: (f) => [f.nll, f.prec1, f.prec2],
  iterations: ({ training }) => training.iterations,
  create: (model, { source }, { training }) => Trainer.create(model, source, training),
  game: () => undefined,
  evaluate(trainer, { source }, { training }) {
    if (!(trainer instanceof Trainer)) throw new Error("expected the Shannon stage's trainer");
    const users = usersOf(source, "test");
    const deviceLog = source.log && trainer.deviceLog;
    return Evaluation.ofModel(trainer.model, deviceLog, source, users, training.evaluationShards);
  },
};

export const adversarialStage: Stage<GameFigures> = {
  name: "adversarial",
  folder: (run) => `${run}/adversarial`,
  columns: ["loss", "loss_min", "loss_max", "pi_prec1", "pi_prec2", "prec1", "prec2"],
  row: (f) => [f.nll, f.lossMin, f.lossMax, f.piPrec1, f.piPrec2, f.prec1, f.prec2],
  iterations: (config) => adversarialOf(config).iterations,
  create(model, { source }, config, generatorWeights) {
    const { seed, evaluationShards, validationUsers } = config.training;
    const options = { seed, evaluationShards, validationUsers, generatorWeights };
    return AdversarialTrainer.create(model, source, adversarialOf(config), options);
  },
  game(model, config) {
    const adversarial = adversarialOf(config);
    const { generatorEta, utilityPenalty, skipNoClick } = adversarial;
    const generator = adversarial.generator === "exact" ? null : generatorConfig(model, adversarial);
    return { generator, eta: model.eta, generatorEta, utilityPenalty, skipNoClick };
  },
  evaluate(trainer, { source }, config) {
    if (!(trainer instanceof AdversarialTrainer)) throw new Error("expected the adversarial stage's trainer");
    const { model, generator } = trainer;
    const deviceLog = source.log && trainer.deviceLog;
    const game = gameOptions(model, trainer.config);
    const shards = config.training.evaluationShards;
    return evaluateGame(model, generator, game, deviceLog, source, usersOf(source, "test"), { shards });
  },
};

function adversarialOf({ adversarial }: RunConfig) {
  if (!adversarial) throw new Error("this run has no adversarial stage");
  return adversarial;
}

/** Which stages a run goes through, in order. */
export function stagesOf(config: RunConfig): StageName[] {
  return [
    ...(config.pretrain ? ["shannon" as const] : []),
    ...(config.adversarial ? ["adversarial" as const] : []),
  ];
}

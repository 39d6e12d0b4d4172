/** The options of `train` that say what is trained, all groups together. */

import type { TokenField } from "../../counts/train_counts.ts";
import type { ModelConfig } from "../../model/config.ts";
import type { StagesConfig } from "../../train/stages_config.ts";
import {
  adversarialGroup,
  adversarialOf,
  type AdversarialOptions,
  checkAdversarialOptions,
} from "./adversarial.ts";
import { type FittedData, withDefaults } from "./by_data.ts";
import type { GivenOptions, OptionGroup } from "./definition.ts";
import { checkModelOptions, modelGroup, type ModelOptions, modelOver } from "./model.ts";
import {
  checkSchedule,
  optimiserGroups,
  type OptimiserOptions,
  shannonGroup,
  type ShannonOptions,
  trainingOf,
} from "./training.ts";

export type StagesOptions = ModelOptions & ShannonOptions & OptimiserOptions & AdversarialOptions & {
  seed: number;
  /** What the weights start from; drawn weights if not given. */
  init?: string;
};

export const stagesGroups: readonly OptionGroup[] = [
  modelGroup,
  shannonGroup,
  ...optimiserGroups,
  adversarialGroup,
];

/** @throws {UserError} for options that make no sense together */
export function checkTogether(options: StagesOptions, given: GivenOptions): void {
  if (hasShannonStage(options)) checkSchedule(options);
  checkModelOptions(options);
  checkAdversarialOptions(options, given);
}

/** Fine-tuning starts from a trained reward: from the Shannon stage, or from `init` in its place. */
function hasShannonStage({ pretrain, init, adversarial }: StagesOptions): boolean {
  return pretrain && !(init !== undefined && adversarial > 0);
}

/** A log, and which tokens of its items are of one kind. */
export interface ModelData extends FittedData {
  readonly features?: { readonly tokens: readonly TokenField[] };
}

/** What the options describe, for a data set. @param init the model whose weights it starts from */
export function stagesConfigOf(
  options: StagesOptions,
  data: ModelData,
  init?: Pick<ModelConfig, "counts">,
): StagesConfig {
  const filled = withDefaults(options, data);
  return {
    model: modelOver(data.source, data.features?.tokens, filled, init),
    training: trainingOf(filled),
    pretrain: hasShannonStage(options),
    adversarial: adversarialOf(options),
  };
}

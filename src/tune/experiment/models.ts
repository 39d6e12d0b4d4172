/**
 * The published experiments on one data set: which models, in which order, and where each stands in the experiment's
 * folder.
 */

import * as v from "../../schema.ts";
import type { ItemFeatures } from "../../data/click_log.ts";
import { defaultModel, defaultPwModel, type ModelConfig } from "../../model/config.ts";
import { readJson, writeJson } from "../../files/json_file.ts";

/** A model of the experiments. */
export interface ExperimentModel {
  readonly name: string;
  readonly folder: string;
  readonly model: ModelConfig;
  /** Adversarial from the start ("none"), after the Shannon stage of another model, or not at all. */
  readonly adversarialAfter?: string | "none";
}

const reports: ExperimentModel[] = [
  { name: "Baseline 64-64", folder: "baseline-64-64", model: defaultModel },
  { name: "BatchNorm 64-64", folder: "batchnorm-64-64", model: { ...defaultModel, batchNorm: true } },
  { name: "Baseline 32-64-32", folder: "baseline-32-64-32", model: { ...defaultModel, dims: [32, 64, 32] } },
  {
    name: "Fine-tuned 32-64-32",
    folder: "fine-tuned-32-64-32",
    model: { ...defaultModel, dims: [32, 64, 32] },
    adversarialAfter: "baseline-32-64-32",
  },
  {
    name: "L2 NoPretrain 64-64",
    folder: "l2-nopretrain-64-64",
    model: defaultModel,
    adversarialAfter: "none",
  },
  {
    name: "Fine-tuned 64-64",
    folder: "fine-tuned-64-64",
    model: defaultModel,
    adversarialAfter: "baseline-64-64",
  },
];

const pw: ExperimentModel[] = [
  { name: "PW 64-64", folder: "pw-64-64", model: defaultPwModel },
  {
    name: "Fine-tuned PW 64-64",
    folder: "fine-tuned-pw-64-64",
    model: defaultPwModel,
    adversarialAfter: "pw-64-64",
  },
  { name: "PW tanh 64-64", folder: "pw-tanh-64-64", model: { ...defaultPwModel, pwNonlinearity: "tanh" } },
  {
    name: "Fine-tuned PW tanh 64-64",
    folder: "fine-tuned-pw-tanh-64-64",
    model: { ...defaultPwModel, pwNonlinearity: "tanh" },
    adversarialAfter: "pw-tanh-64-64",
  },
];

/** The six models of the sources' reports, then position weights in both forms. */
export const experimentModels: readonly ExperimentModel[] = [...reports, ...pw];

/** Whether a model can be made over such items: position weights with tanh know no tokens. */
export function worksOver({ model }: ExperimentModel, items: ItemFeatures["kind"]): boolean {
  return items !== "mixed" || model.encoder !== "pw" || model.pwNonlinearity !== "tanh";
}

const experimentSchema = v.strictObject({
  /** As given: a file, or a made-up shop. */
  data: v.string(),
  /** Of a made-up shop, and of its users alone, where they were given. */
  dataSeed: v.optional(v.wholeNumber()),
  dataUsersSeed: v.optional(v.wholeNumber()),
  resplit: v.boolean(),
  seeds: v.pipe(v.array(v.wholeNumber()), v.minLength(1)),
  /** Iterations of the Shannon stage, and of the adversarial one. */
  iterations: v.wholeNumber(),
  adversarial: v.wholeNumber(),
  models: v.pipe(v.array(v.strictObject({ name: v.string(), folder: v.string() })), v.minLength(1)),
});
export type Experiment = v.InferOutput<typeof experimentSchema>;

export async function writeExperiment(path: string, experiment: Experiment): Promise<void> {
  await writeJson(`${path}/experiment.json`, experiment);
}

/** Undefined for a folder of another kind. @throws UserError when experiment.json is damaged. */
export function readExperiment(path: string): Promise<Experiment | undefined> {
  return readJson(`${path}/experiment.json`, experimentSchema);
}

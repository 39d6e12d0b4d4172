/** Opens a trained model from a run's folder or a snapshot file. */

import { quotePath } from "../shell_word.ts";
import { dirname, join } from "node:path";
import * as v from "../schema.ts";
import { pathExists, tryStat } from "../files/local_file.ts";
import { readJson } from "../files/json_file.ts";
import type { ItemCatalogue } from "../data/item_catalogue.ts";
import type { Gpu } from "../gpu/device.ts";
import { type KernelVariants, kernelVariantsSchema, reuseVariants } from "../gpu/kernel_variants.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { extendWeights } from "../model/model_counts.ts";
import { UserModel } from "../model/user_model.ts";
import type { Weights } from "../tape/parameters.ts";
import { GENERATOR_PREFIX, selectNetworkWeights } from "../train/networks.ts";
import { UserError } from "../user_error.ts";
import { type DataConfig, type Dataset, fitDataset, removeOtherContext } from "../data/sets/dataset.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { computeEarlyEnd, noBest } from "../train/best_records.ts";
import { stagesConfigSchema } from "../train/training_config.ts";
import { formatThousands } from "../number_text.ts";
import { runConfigSchema } from "./run_config.ts";
import { findBest, getSnapshotPath, readSavedStage } from "./run_state.ts";
import { adversarialStage, listStages, shannonStage } from "./stages.ts";
import { readSnapshot } from "./snapshot_file.ts";
import type { SnapshotInfo } from "./snapshot/snapshot.ts";

/** Trained model: weights and metadata, and the config of its training data. */
export class OpenedRun {
  readonly #fitted = new WeakMap<Dataset, Dataset>();

  /** @internal Use {@link openRun}. */
  constructor(
    readonly path: string,
    /** Metadata of the snapshot: model config, iteration and kind. */
    public info: SnapshotInfo,
    /** Weights of the reward network, by parameter name. */
    public weights: Weights,
    private readonly variants: KernelVariants | undefined,
    /** @internal Config of the training data; undefined if the snapshot is not in a run's folder. */
    readonly trainedOn: DataConfig | undefined,
    /** Sentence about an unfinished run: its progress, and the command that resumes it. */
    readonly unfinished?: string,
    /** @internal Weights of the generator; empty if the snapshot has none. */
    readonly generator: Weights = new Map(),
  ) {}

  /**
   * Creates the model for the items of a data set. Sets the GPU's kernel variants to those of the run.
   * @throws UserError if the data set and the model have different items.
   */
  model(gpu: Gpu, { dataset }: Pick<OpenedDataset, "dataset">): UserModel {
    const { source } = this.fit(dataset);
    gpu.setVariants(reuseVariants(this.variants, gpu.variants));
    return new UserModel(gpu, source.items, this.info.model, { weights: this.extendWeights(source.items) });
  }

  /** @internal Returns the model's weights, and weights for items that were not in the training log. */
  extendWeights(items: ItemCatalogue): Weights {
    return extendWeights(this.weights, this.info.model, items);
  }

  /** @internal Replaces the model by a baseline. @param kind - new `info.kind`: the baseline's title */
  replaceModel(model: ModelConfig, weights: Weights, kind: string): void {
    this.info = { ...this.info, model, kind, iteration: 0, game: undefined };
    this.weights = weights;
  }

  /** @internal Encodes a data set for the model. @throws UserError if the model cannot score its items. */
  fit(data: Dataset): Dataset {
    const known = this.#fitted.get(data);
    if (known) return known; // warnings are printed once
    const what = `the model of ${this.path}`;
    const fitted = fitDataset(removeOtherContext(data, this.info.features, what), this.info, what);
    this.#fitted.set(data, fitted).set(fitted, fitted);
    return fitted;
  }
}

/**
 * Opens a trained model.
 * @param path - path of a snapshot or of a run's folder: see {@link findSnapshot}.
 * @throws UserError if there is no model of clickgan at the path, or if the model's file is damaged.
 */
export async function openRun(path: string): Promise<OpenedRun> {
  const { file, unfinished } = await findSnapshot(path);
  const { info, weights } = await readSnapshot(file);
  if (!info) {
    throw new UserError(
      `Expected a snapshot of a training run, got ${file}, which has no model config. Name another file.`,
    );
  }
  const { variants, data } = await configIn(dirname(file), configSchema) ?? {};
  const own = selectNetworkWeights(weights, "");
  const generator = selectNetworkWeights(weights, GENERATOR_PREFIX);
  return new OpenedRun(file, info, own, variants, data, unfinished, generator);
}

/** Path of a snapshot and, if its run is unfinished, a sentence about the run's progress. */
export interface FoundSnapshot {
  readonly file: string;
  readonly unfinished: string | undefined;
}

/**
 * Finds the snapshot at a path. In a run's folder, the function prefers best-loss, then best-prec1 of the
 * adversarial stage, then `last`. @throws UserError for a folder without snapshots.
 */
export async function findSnapshot(path: string): Promise<FoundSnapshot> {
  // If the file is missing or damaged, the function that reads the file reports the error.
  if (!tryStat(path)?.isDirectory) return { file: path, unfinished: undefined };
  const [own, game] = [shannonStage.folder(path), adversarialStage.folder(path)];
  const best = await findBest(own, "loss") ?? await findBest(game, "prec1");
  for (const file of [...(best ? [best] : []), getSnapshotPath(own, "last"), getSnapshotPath(game, "last")]) {
    if (await pathExists(file)) return { file, unfinished: await describeUnfinished(path) };
  }
  if (await pathExists(join(path, "seeds.json"))) {
    throw new UserError(`Expected one run, got several in ${path}. Name the folder of one seed.`);
  }
  throw new UserError(
    `Expected a run with snapshots, or a snapshot (.safetensors), got ${path}, a folder without snapshots. ` +
      "Name an output folder of deno task train.",
  );
}

/** Describes an unfinished run: its progress, and how to resume it. Returns undefined for a finished run. */
export async function describeUnfinished(path: string): Promise<string | undefined> {
  const config = await configIn(path, stagesSchema);
  if (!config) return undefined;
  for (const stage of listStages(config)) {
    const saved = readSavedStage(stage.folder(path));
    if (saved && saved.isGame === stage.hasLikelihood) return undefined; // the adversarial stage's folder
    const { iteration, best } = saved ?? { iteration: 0, best: noBest };
    const iterations = stage.iterations(config);
    if (iteration >= iterations || iteration >= computeEarlyEnd(stage.schedule(config), best)) continue;
    const [done, all] = [iteration, iterations].map(formatThousands);
    return `The run in ${path} is unfinished: its ${stage.title} is at iteration ${done} of ${all}. ` +
      `Resume it with: deno task -q train --resume ${quotePath(path)}`;
  }
}

const stagesSchema = v.looseObject(stagesConfigSchema.entries);

/** Schema of two fields of a run's config.json: kernel variants and data config. */
const configSchema = v.looseObject({
  variants: v.fallback(v.optional(kernelVariantsSchema), undefined),
  data: v.fallback(v.optional(runConfigSchema.entries.data), undefined),
});

/** Reads config.json in a folder. Returns undefined if this file is missing or unreadable. */
async function configIn<T>(folder: string, schema: v.GenericSchema<unknown, T>): Promise<T | undefined> {
  try {
    return await readJson(join(folder, "config.json"), schema);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

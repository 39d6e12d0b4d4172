/** A trained model, from a run's folder or a snapshot's file, as whoever uses it needs it. */

import { dirname, join } from "node:path";
import * as v from "../schema.ts";
import { pathExists } from "../files/local_file.ts";
import { readJson } from "../files/json_file.ts";
import type { Gpu } from "../gpu/device.ts";
import { type KernelVariants, kernelVariantsSchema, reuseVariants } from "../gpu/kernel_variants.ts";
import { UserModel } from "../model/user_model.ts";
import type { Weights } from "../tape/parameters.ts";
import { selectNetworkWeights } from "../train/networks.ts";
import { UserError } from "../user_error.ts";
import { type DataConfig, type Dataset, fitDataset } from "../data/sets/dataset.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { computeEarlyEnd, noBest } from "../train/best_records.ts";
import { stagesConfigSchema } from "../train/training_config.ts";
import { formatThousands } from "../number_text.ts";
import { runConfigSchema } from "./run_config.ts";
import { findBest, getSnapshotPath, savedStage } from "./run_state.ts";
import { adversarialStage, listStages, shannonStage } from "./stages.ts";
import { readSnapshot } from "./snapshot_file.ts";
import type { SnapshotInfo } from "./snapshot/snapshot.ts";

/** A model that was trained: its weights, and what it was trained on. */
export class OpenedRun {
  readonly #fitted = new WeakSet<Dataset>();

  /**
   * Use {@link openRun}.
   * @internal
   */
  constructor(
    /** The snapshot's file. */
    readonly path: string,
    /** What the snapshot says of itself. */
    readonly info: SnapshotInfo,
    /** Of the reward, by name. */
    readonly weights: Weights,
    private readonly variants: KernelVariants | undefined,
    /**
     * The data that it was trained on; undefined for a snapshot without its run.
     * @internal
     */
    readonly trainedOn: DataConfig | undefined,
    /** Of a run that has not come to its end: how far it is, and how it goes on. */
    readonly unfinished?: string,
  ) {}

  /**
   * The model over the items of a data set, on the GPU, with the kernels of the run.
   * @throws UserError for a data set over other items than the model's.
   */
  model(gpu: Gpu, { dataset }: OpenedDataset): UserModel {
    const { source } = this.fit(dataset);
    gpu.setVariants(reuseVariants(this.variants, gpu.variants));
    return new UserModel(gpu, source.items, this.info.model, { weights: this.weights });
  }

  /**
   * A data set over the model's items.
   * @throws UserError for one over others.
   * @internal
   */
  fit(data: Dataset): Dataset {
    if (this.#fitted.has(data)) return data; // what cannot be compared is said once
    const fitted = fitDataset(data, this.info, `The model of ${this.path}`);
    this.#fitted.add(fitted);
    return fitted;
  }
}

/**
 * Opens a trained model.
 * @param path a snapshot, or the folder of a run: see {@link findSnapshot}.
 * @throws UserError for a path without a model that this program trained, or a damaged one.
 */
export async function openRun(path: string): Promise<OpenedRun> {
  const { file, unfinished } = await findSnapshot(path);
  const { info, weights } = await readSnapshot(file);
  if (!info) {
    throw new UserError(
      `Expected a snapshot written by train, got ${file}, which does not say what model it is.`,
    );
  }
  const { variants, data } = await readRunConfig(file);
  return new OpenedRun(file, info, selectNetworkWeights(weights, ""), variants, data, unfinished);
}

/** The snapshot that commands take of a run. */
export interface FoundSnapshot {
  readonly file: string;
  /** See {@link OpenedRun.unfinished}. */
  readonly unfinished: string | undefined;
}

/**
 * Finds the snapshot that a path names: a file, or of a run's folder its best-loss snapshot (after an adversarial stage alone its
 * best-prec1). Of a run that has not come to its end it is the one that the run would have if it ended where it was saved last.
 * @throws UserError for a folder without snapshots.
 */
export async function findSnapshot(path: string): Promise<FoundSnapshot> {
  // What is wrong with a file is said where it is read.
  if (!await isFolder(path)) return { file: path, unfinished: undefined };
  const [own, game] = [shannonStage.folder(path), adversarialStage.folder(path)];
  const best = await findBest(own, "loss") ?? await findBest(game, "prec1");
  for (const file of [...(best ? [best] : []), getSnapshotPath(own, "last"), getSnapshotPath(game, "last")]) {
    if (await pathExists(file)) return { file, unfinished: await describeUnfinished(path) };
  }
  if (await pathExists(join(path, "seeds.json"))) {
    throw new UserError(`Expected one run, got ${path}, which holds several: name one of its seeds.`);
  }
  throw new UserError(
    `Expected a run with snapshots, or a snapshot (.safetensors), got ${path}, a folder without them. Name the folder that ` +
      "train wrote.",
  );
}

/** Says how far the run in a folder is, and how it goes on; undefined where it has come to its end, or nothing says what it is. */
export async function describeUnfinished(path: string): Promise<string | undefined> {
  const config = await configIn(path, stagesSchema);
  if (!config) return undefined;
  for (const stage of listStages(config)) {
    const saved = await savedStage(stage.folder(path));
    if (saved && saved.isGame === stage.hasLikelihood) return undefined; // the folder of the second stage alone
    const { iteration, best } = saved ?? { iteration: 0, best: noBest };
    const iterations = stage.iterations(config);
    if (iteration >= iterations || iteration >= computeEarlyEnd(stage.schedule(config), best)) continue;
    return `The run in ${path} is unfinished: iteration ${formatThousands(iteration)} of ${
      formatThousands(iterations)
    } of its ` +
      `${stage.title}. It goes on with: deno task train --resume ${path}`;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}

const stagesSchema = v.looseObject(stagesConfigSchema.entries);

const configSchema = v.looseObject({
  variants: v.fallback(v.optional(kernelVariantsSchema), undefined),
  data: v.fallback(v.optional(runConfigSchema.entries.data), undefined),
});

/**
 * What the run of a snapshot ran on: with its kernels utilities are its own bit for bit. A snapshot does without a run.
 */
export async function readRunConfig(snapshot: string): Promise<v.InferOutput<typeof configSchema>> {
  return await configIn(dirname(snapshot), configSchema) ?? {};
}

/** Reads what a folder's config.json says; undefined where there is none, or it cannot be read. */
async function configIn<T>(folder: string, schema: v.GenericSchema<unknown, T>): Promise<T | undefined> {
  try {
    return await readJson(join(folder, "config.json"), schema);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

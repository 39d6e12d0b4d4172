/** A trained model, from a run's folder or a snapshot's file, as whoever uses it needs it. */

import { dirname, join } from "node:path";
import * as v from "../schema.ts";
import { exists } from "../files/local_file.ts";
import { readJson } from "../files/json_file.ts";
import type { Gpu } from "../gpu/device.ts";
import { type KernelShapes, kernelShapesSchema, recordedShapes } from "../gpu/kernel_shapes.ts";
import { UserModel } from "../model/user_model.ts";
import type { Weights } from "../tape/parameters.ts";
import { partOf } from "../train/networks.ts";
import { UserError } from "../user_error.ts";
import { type DataConfig, type Dataset, fitDataset } from "../data/sets/dataset.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { runConfigSchema } from "./run_config.ts";
import { readSnapshot } from "./snapshot.ts";
import type { SnapshotInfo } from "./snapshot/snapshot.ts";

/** Where a run's model is looked for, best first. */
const SNAPSHOTS = ["best-loss", "adversarial/best-prec1", "last", "adversarial/last"] as const;

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
    private readonly shapes: KernelShapes | undefined,
    /**
     * The data that it was trained on; undefined for a snapshot without its run.
     * @internal
     */
    readonly trainedOn: DataConfig | undefined,
  ) {}

  /**
   * The model over the items of a data set, on the GPU, with the kernels of the run.
   * @throws UserError for a data set over other items than the model's.
   */
  model(gpu: Gpu, { dataset }: OpenedDataset): UserModel {
    const { source } = this.fit(dataset);
    gpu.useShapes(recordedShapes(this.shapes, gpu.shapes));
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
 * @param path a snapshot, or the folder of a run, whose best-loss snapshot is taken (after an adversarial stage alone its
 *   best-prec1).
 * @throws UserError for a path without a model that this program trained, or a damaged one.
 */
export async function openRun(path: string): Promise<OpenedRun> {
  const file = await snapshotOf(path);
  const { info, weights } = await readSnapshot(file);
  if (!info) {
    throw new UserError(
      `Expected a snapshot written by train, got ${file}, which does not say what model it is.`,
    );
  }
  const { shapes, data } = await configBeside(file);
  return new OpenedRun(file, info, partOf(weights, ""), shapes, data);
}

async function snapshotOf(path: string): Promise<string> {
  if (!await isFolder(path)) return path; // what is wrong with a file is said where it is read
  for (const name of SNAPSHOTS) {
    const file = join(path, `${name}.safetensors`);
    if (await exists(file)) return file;
  }
  if (await exists(join(path, "seeds.json"))) {
    throw new UserError(`Expected one run, got ${path}, which holds several: name one of its seeds.`);
  }
  throw new UserError(
    `Expected a run with snapshots, or a snapshot (.safetensors), got ${path}, a folder without them. Name the folder that ` +
      "train wrote.",
  );
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}

const configSchema = v.looseObject({
  shapes: v.fallback(v.optional(kernelShapesSchema), undefined),
  data: v.fallback(v.optional(runConfigSchema.entries.data), undefined),
});

/**
 * What the run of a snapshot ran on: with its kernels utilities are its own bit for bit. A snapshot does without a run.
 */
export async function configBeside(snapshot: string): Promise<v.InferOutput<typeof configSchema>> {
  try {
    return (await readJson(join(dirname(snapshot), "config.json"), configSchema)) ?? {};
  } catch (error) {
    if (error instanceof UserError) return {};
    throw error;
  }
}

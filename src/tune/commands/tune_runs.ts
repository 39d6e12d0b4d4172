/** The runs of a search: which config a setting gives, and on which data it is trained. */

import type { Gpu } from "../../gpu/device.ts";
import type { KernelShapes } from "../../gpu/kernel_shapes.ts";
import { modelParameters } from "../../model/user_model.ts";
import { type Dataset, withoutItemIds } from "../../data/sets/dataset.ts";
import { itemIdsOf } from "../../data/item_ids.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import type { Run } from "../../run/training_run.ts";
import { argumentsOf, NO_ITEM_IDS, type Setting } from "../space.ts";
import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { shapesFor } from "../../cli/calibration.ts";
import { machine } from "../../run/commands/run_stages.ts";
import { trainedBy } from "./tune_options.ts";

export class TuneRuns {
  /** The data without item ids, where there are some that can be left out. */
  readonly #withoutIds: Dataset | undefined;
  /** By the sizes that they depend on: a search asks again and again. */
  readonly #shapes = new Map<string, KernelShapes>();

  /** @param options of train that hold for all settings, as typed. @param calibration what the option says, if it is given. */
  constructor(
    private readonly gpu: Gpu,
    private readonly data: Dataset,
    private readonly options: readonly string[],
    private readonly calibration: boolean | undefined,
    private readonly signal: AbortSignal,
  ) {
    if (itemIdsOf(data.features)) this.#withoutIds = withoutItemIds(data);
  }

  /** Whether `train` takes a setting for a model of these items on this adapter. */
  accepts(setting: Setting): boolean {
    const most = this.gpu.device.limits.maxStorageBufferBindingSize;
    const data = this.dataOf(setting);
    const { shape } = data.source.items;
    try {
      const { model } = trainedBy(this.#arguments(setting), data);
      return modelParameters(shape, model).every(({ rows, columns }) => 4 * rows * columns <= most);
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  }

  /** The run of a setting. @param path its folder. @param iterations of it */
  async runOf(setting: Setting, path: string, iterations: number): Promise<Run> {
    const data = this.dataOf(setting);
    const config = await this.#configOf(setting, iterations);
    return { gpu: this.gpu, data, config, path, init: undefined, signal: this.signal };
  }

  async #configOf(setting: Setting, iterations: number): Promise<RunConfig> {
    const command = this.#arguments(setting);
    const dataset = this.dataOf(setting);
    const { model, training } = trainedBy(command, dataset);
    const { source, config: data } = dataset;
    return v.parse(runConfigSchema, {
      clickgan: version,
      command,
      data,
      model,
      training: { ...training, iterations },
      pretrain: true,
      adversarial: null,
      init: null,
      ...await machine(this.gpu),
      shapes: await this.#shapesOf(source, { model, users: training.batchSize }),
    });
  }

  #arguments(setting: Setting): string[] {
    return [...this.options, ...argumentsOf(setting)];
  }

  /** What a setting is trained on. */
  dataOf(setting: Setting): Dataset {
    return setting[NO_ITEM_IDS] === undefined ? this.data : this.#withoutIds ?? this.data;
  }

  async #shapesOf(
    source: Dataset["source"],
    sizes: Parameters<typeof shapesFor>[3],
  ): Promise<KernelShapes> {
    const key = JSON.stringify([source.items.shape, sizes]);
    const known = this.#shapes.get(key);
    if (known) return known;
    const found = await shapesFor(this.calibration, this.gpu, source, sizes, () => {});
    this.#shapes.set(key, found);
    return found;
  }
}

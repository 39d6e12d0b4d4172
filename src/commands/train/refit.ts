/** Trains a model as another one was, on more data. */

import { countsConfigFor } from "../../counts/tables.ts";
import type { Dataset } from "../../data/sets/dataset.ts";
import { shapesFor } from "../../cli/calibration.ts";
import type { Stop } from "../../cli/stop.ts";
import { makeFolder } from "../../files/atomic_write.ts";
import { exists } from "../../files/file_error.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import type { TrainingConfig } from "../../train/config.ts";
import { expectPlaces } from "../../run/options/train.ts";
import { hasConfig, readConfig } from "../../run/run_config.ts";
import { compareMachine, goOn, isFinished, newConfig, reopenInit, say, withGpu } from "./run_stages.ts";

/**
 * Iterations that settle the weights, in shares of the others. At the full rate the clicks that a model expects of a policy's pages
 * swing by 2 % within some hundred iterations, as much as is left to find out.
 */
const SETTLING = 0.2;

/** @param growth how many times as many users there are to learn from: each is seen as often as then. */
function trainingOn(
  growth: number,
  { iterations, settleIterations, ...training }: TrainingConfig,
): TrainingConfig {
  const full = Math.round(growth * (iterations - settleIterations));
  const settling = Math.round(SETTLING * full);
  return { ...training, iterations: full + settling, settleIterations: settling };
}

/**
 * Begins it, or goes on with it.
 * @param path its folder. @param like the other one's. @param growth see {@link trainingOn}. @returns whether it came to its end.
 * @throws UserError for data that the model does not fit.
 */
export async function refit(
  path: string,
  merged: Dataset,
  { like, growth }: { readonly like: string; readonly growth: number },
  stop: Stop,
): Promise<boolean> {
  if (await exists(`${path}/result.json`)) return true;
  const saved = await hasConfig(path) ? await readConfig(path) : undefined;
  const then = saved ?? await readConfig(like);
  const { data, init } = await reopenInit(then, merged);
  const { model: { counts, ...model }, training, pretrain, adversarial } = then;
  const trained = {
    ...{ pretrain, adversarial },
    training: saved ? training : trainingOn(growth, training),
    model: { ...model, counts: counts && countsConfigFor(data.source, data.features?.tokens ?? []) },
  };
  expectPlaces(path, { ...data, kind: data.config.kind }, trained.model);
  return await withGpu(data, [trained], async (gpu) => {
    if (saved) await compareMachine(gpu, saved);
    const sizes = { model: trained.model, users: training.batchSize };
    const shapes = saved?.shapes ?? await shapesFor(undefined, gpu, data.source, sizes, say);
    const config = saved ?? await newConfig(gpu, data, trained, { shapes, init: then.init?.path });
    await makeFolder(path);
    using _folder = OwnedFolder.open(path);
    const results = await goOn({ gpu, data, init, path, config, signal: stop.signal }, stop);
    for (const { verdict = [] } of results) say(verdict.join(" "));
    return isFinished(config, results);
  });
}

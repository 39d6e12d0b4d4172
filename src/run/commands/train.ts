/** `train`: from a click log to a trained user model. */

import type { Gpu } from "../../gpu/device.ts";
import { modelParameters } from "../../model/user_model.ts";
import { modelGroup, stagesConfigOf } from "../options/train.ts";
import { type Dataset, fitDataset } from "../../data/sets/dataset.ts";
import { contentsOf, expectEmpty, OwnedFolder } from "../files/owned_folder.ts";
import { type RunConfig, runConfigSchema } from "../run_config.ts";
import { writeSeeds } from "../seeds_folder.ts";
import type { RunContext } from "../training_run.ts";
import * as v from "../../schema.ts";
import type { StagesConfig } from "../../train/stages_config.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { shapesFor } from "../../cli/calibration.ts";
import { checkPages, expectPlaces } from "./check_data.ts";
import { runMain } from "../../cli/fail.ts";
import { openData } from "../../cli/open_data.ts";
import { EXIT_INTERRUPTED, initOf, machine, say, timestamp, withGpu } from "./run_stages.ts";
import { quoted } from "../../cli/shell_word.ts";
import { stopOnSignals } from "../../cli/stop.ts";
import { type Init, openInit } from "./train_init.ts";
import { parseTrainOptions, type TrainOptions } from "./train_options.ts";
import { resume } from "./train_resume.ts";
import { runOne, runSeeds } from "./train_runs.ts";

async function main(): Promise<number> {
  const { options, given } = parseTrainOptions(Deno.args);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  if (options.resume !== undefined) return await resume(options.resume, options, given, stop);
  if (options.saveDir !== undefined) expectNewRun(options.saveDir); // now, not when the data are read
  let data = await openData(options);
  checkPages(options.data, data.source);
  const init = options.init === undefined ? undefined : await openInit(options.init, data);
  if (init?.snapshot.info) {
    data = fitDataset(data, init.snapshot.info, `The model of ${init.path}`);
  }
  const trained = trainedOf(options, given, data, init);
  expectPlaces(options.data, data, trained.model);
  init?.snapshot.checkShapes(modelParameters(data.source.items.shape, trained.model));
  return await withGpu(data, trained, async (gpu) => {
    const config = await runConfig(gpu, data, options, trained, init);
    const context: RunContext = { gpu, data, init: init?.snapshot.weights, signal: stop.signal };
    const path = options.saveDir ?? `runs/${data.source.name.replace(/[^\w.-]+/g, "_")}-${timestamp()}`;
    expectNewRun(path);
    using _folder = await OwnedFolder.begin(path, NEW_RUN);
    say(`run: ${path}`);
    if (options.seeds === 1) return await runOne({ ...context, path, config }, options.report, stop);
    const seeds = { seeds: Array.from({ length: options.seeds }, (_, k) => options.seed + k), config };
    await writeSeeds(path, seeds);
    return await runSeeds(context, path, seeds, options.report, stop);
  });
}

const NEW_RUN = { what: "the run", option: "--save-dir" };

/** @throws UserError for a folder that holds something: it says how to go on with what this program wrote there. */
function expectNewRun(path: string): void {
  const holdsRun = contentsOf(path)?.some((name) => name === "config.json" || name === "seeds.json");
  if (!holdsRun) return expectEmpty(path, NEW_RUN);
  throw new UserError(
    `Expected a new or empty folder for the run, but ${path} holds one. ` +
      `Continue it with --resume ${quoted(path)}, or choose another --save-dir.`,
  );
}

/** What the options say is to be trained. */
function trainedOf(
  options: TrainOptions,
  given: ReadonlySet<string>,
  data: Dataset,
  init: Init | undefined,
): StagesConfig {
  const config = stagesConfigOf(options, data, init?.snapshot.info?.model);
  const own = modelGroup.options.some(({ name }) => given.has(name));
  if (!init?.snapshot.info || own) return config;
  const { model } = init.snapshot.info;
  return { ...config, model: config.adversarial ? { ...model, positions: 0 } : model };
}

async function runConfig(
  gpu: Gpu,
  data: Dataset,
  options: TrainOptions,
  trained: StagesConfig,
  init: Init | undefined,
): Promise<RunConfig> {
  const sizes = { model: trained.model, users: trained.training.batchSize };
  // Parsed, so that what a resumed run reads back is the same to the byte.
  return v.parse(runConfigSchema, {
    clickgan: version,
    command: Deno.args,
    data: data.config,
    ...trained,
    init: init ? await initOf(init.path) : null,
    ...await machine(gpu),
    shapes: await shapesFor(options.calibration, gpu, data.source, sizes, say),
  });
}

await runMain(main);

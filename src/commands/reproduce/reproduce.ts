/**
 * `reproduce`: trains the models of the published experiments on any data set, and tests the published claims
 * on these data. The command prints a table and the outcome of each claim, and writes a report.
 */

import { UserError } from "../../user_error.ts";
import type { Experiment, ExperimentModel, ModelOutcome } from "../../tune/experiment.ts";
import {
  experimentModels,
  listOutcomeRows,
  outcomeColumns,
  readExperiment,
  readOutcome,
  SAMPLING_NOTE,
  testClaims,
  writeExperiment,
} from "../../tune/experiment.ts";
import type { Gpu } from "../../gpu/device.ts";
import { makeFolder } from "../../files/atomic_write.ts";
import { expectEmpty, OwnedFolder } from "../../files/owned_folder.ts";
import type { Dataset } from "../../data/sets/dataset.ts";
import { expectMarkers, formatMarkdownTable, formatTable, writeBetweenMarkers } from "../../cli/table.ts";
import type { RunConfig, SeedsConfig } from "../../run/run_config.ts";
import { getSeedConfig, getSeedFolder, readSeeds, writeSeeds } from "../../run/run_config.ts";
import { defaultTraining, paperAdversarial, type StagesConfig } from "../../train/training_config.ts";
import { chooseVariants } from "../../cli/choose_variants.ts";
import { runMain } from "../../cli/run_main.ts";
import { listSeeds } from "../../cli/command_options.ts";
import { openData } from "../../cli/open_data.ts";
import { getDefaultFolder, reportFile } from "../../cli/arguments.ts";
import { quotePath } from "../../shell_word.ts";
import { expectTrainUsers, getBatchSize, parseReproduceOptions, selectModels } from "./reproduce_options.ts";
import type { ReproduceOptions } from "./reproduce_options.ts";
import { createRunConfig, describeInit, withGpu } from "../train/run_stages.ts";
import { runAll, type RunOfMany } from "../train/run_jobs.ts";
import { EXIT_INTERRUPTED, stopOnSignals } from "../../cli/stop.ts";
import { writeJson } from "../../files/json_file.ts";
import { writeReport } from "../../report/report_page.ts";
import { basename } from "node:path";

const EXPERIMENTS = { what: "the experiments", option: "--save-dir" };

async function main(): Promise<number> {
  const options = parseReproduceOptions(Deno.args);
  const stop = stopOnSignals();
  const path = options.saveDir ?? getDefaultFolder(options.data, "reproduce");
  if (options.readme !== undefined) await expectMarkers(options.readme, blockName(options.data));
  const before = await readExperiment(path);
  expectSameSettings(path, before, options);
  const data = await openData(options);
  const models = selectModels(options.models, data.source.items.shape.kind);
  expectTrainUsers(data, models);
  const trained = models.map((model) => trainedAs(model, options));
  return await withGpu(data, trained, async (gpu) => {
    using _folder = before ? OwnedFolder.open(path) : await OwnedFolder.begin(path, EXPERIMENTS);
    for (const { folder } of models) await expectSameData(`${path}/${folder}`, data);
    const experiment = await openExperiment(path, options, models);
    const work: Work = { gpu, data, path, experiment, autotune: options.autotune };
    const runs = await listUnfinishedRuns(work, models);
    const context = { gpu, data, init: undefined, signal: stop.signal };
    await runAll(runs, options.jobs, context, stop, "Resume with the same command.");
    if (stop.signal.aborted) {
      console.error(`Interrupted; everything is saved in ${path}. Resume with the same command.`);
      return EXIT_INTERRUPTED;
    }
    await writeResults(path, experiment, models, options.readme);
    return 0;
  });
}

interface Work {
  readonly gpu: Gpu;
  readonly data: Dataset;
  readonly path: string;
  readonly experiment: Experiment;
  readonly autotune: boolean | undefined;
}

async function listUnfinishedRuns(work: Work, models: readonly ExperimentModel[]): Promise<RunOfMany[]> {
  const { path, experiment } = work;
  const nameRun = (folder: string | undefined, seed: number) => `${folder} seed ${seed}`;
  const runs: RunOfMany[] = [];
  for (const [k, model] of models.entries()) {
    const seeds = await readOrCreateSeeds(work, model);
    for (const seed of experiment.seeds) {
      const folder = getSeedFolder(`${path}/${model.folder}`, seed);
      if (await readOutcome(model, path, seed)) {
        // Opening the folder removes the temporary files of a killed command.
        OwnedFolder.open(folder)[Symbol.dispose]();
        continue;
      }
      runs.push({
        name: nameRun(model.folder, seed),
        title: `${model.name} (${k + 1} of ${models.length}), seed ${seed}`,
        path: folder,
        config: () => buildRunConfig(seeds, model, path, seed),
        after: nameRun(model.adversarialAfter, seed),
      });
    }
  }
  return runs;
}

/** Returns the options that must not change when the command continues experiments. */
function selectSettings(options: ReproduceOptions) {
  const { data, dataSeed, dataUsersSeed, resplit, iterations, adversarial } = options;
  return { data, dataSeed, dataUsersSeed, resplit, iterations, adversarial };
}

/** @throws UserError if the experiments in the folder have different settings. */
function expectSameSettings(path: string, before: Experiment | undefined, options: ReproduceOptions): void {
  if (!before) return expectEmpty(path, EXPERIMENTS);
  const settings = selectSettings(options);
  for (const [name, value] of Object.entries(settings)) {
    const found = before[name as keyof typeof settings];
    if (found === value) continue;
    throw new UserError(
      `Expected ${name} ${found ?? "without a value"}, as in the experiments in ${path}, ` +
        `got ${name} ${value ?? "without a value"}. Choose another --save-dir.`,
    );
  }
}

/** Starts new experiments in the folder, or continues the experiments that it contains. */
async function openExperiment(
  path: string,
  options: ReproduceOptions,
  models: readonly ExperimentModel[],
): Promise<Experiment> {
  const seeds = listSeeds(options.seed, options.seeds);
  const before = await readExperiment(path);
  expectSameSettings(path, before, options); // again, because another process may have begun meanwhile
  const names = new Set([...(before?.models ?? []), ...models].map(({ folder }) => folder));
  const all = experimentModels.filter(({ folder }) => names.has(folder));
  const experiment = {
    ...selectSettings(options),
    seeds,
    models: all.map(({ name, folder }) => ({ name, folder })),
  };
  await writeExperiment(path, experiment);
  return experiment;
}

/** @throws UserError if a model was trained on different data. */
async function expectSameData(path: string, data: Dataset): Promise<void> {
  const before = await readSeeds(path);
  if (!before || JSON.stringify(before.config.data) === JSON.stringify(data.config)) return;
  throw new UserError(
    `Expected the data on which ${path} was trained, but the data have changed. Restore them, or choose ` +
      "another --save-dir.",
  );
}

/** Reads a model's seeds.json, or writes it if the model has no run yet. */
async function readOrCreateSeeds(work: Work, model: ExperimentModel): Promise<SeedsConfig> {
  const { path, experiment } = work;
  const seeds = [...experiment.seeds];
  const own = `${path}/${model.folder}`;
  const before = await readSeeds(own);
  if (!before) {
    await makeFolder(own);
    expectEmpty(own, EXPERIMENTS);
  }
  const all = { seeds, config: before?.config ?? await configFor(work, model) };
  await writeSeeds(own, all);
  return all;
}

/** Builds the run config of a model for the first seed. */
async function configFor(
  { gpu, data, experiment, autotune }: Work,
  model: ExperimentModel,
): Promise<RunConfig> {
  const sizes = { model: model.model, users: getBatchSize(model) };
  const variants = await chooseVariants(autotune, gpu, data.source, sizes, console.error);
  return await createRunConfig(gpu, data, trainedAs(model, experiment, experiment.seeds[0]), { variants });
}

function trainedAs(
  { model, adversarialAfter }: ExperimentModel,
  { iterations, adversarial }: Pick<Experiment, "iterations" | "adversarial">,
  seed = 1,
): StagesConfig {
  const game = adversarialAfter !== undefined;
  // A short adversarial stage is validated only at its end.
  const validateEvery = Math.min(paperAdversarial.validateEvery, adversarial);
  return {
    model,
    training: { ...defaultTraining, seed, iterations },
    pretrain: !game,
    adversarial: game ? { ...paperAdversarial, iterations: adversarial, validateEvery } : null,
  };
}

/** Builds a run's config. Adversarial runs may start from weights of another model with the same seed. */
async function buildRunConfig(
  seeds: SeedsConfig,
  model: ExperimentModel,
  path: string,
  seed: number,
): Promise<RunConfig> {
  const config = getSeedConfig(seeds, seed);
  if (model.adversarialAfter === undefined || model.adversarialAfter === "none") return config;
  const from = getSeedFolder(`${path}/${model.adversarialAfter}`, seed);
  return { ...config, init: await describeInit(`${from}/best-prec1.safetensors`) };
}

/**
 * Prints a table of metrics and the outcomes of the claims, and writes result.json and a report.
 * @param path - folder of the experiments. @param readme - Markdown file that also gets the table.
 */
async function writeResults(
  path: string,
  experiment: Experiment,
  models: readonly ExperimentModel[],
  readme: string | undefined,
): Promise<void> {
  const outcomes = await Promise.all(models.map(async (model): Promise<ModelOutcome> => {
    const seeds = await Promise.all(experiment.seeds.map((seed) => readOutcome(model, path, seed)));
    return { model, seeds: seeds.filter((outcome) => outcome !== undefined) };
  }));
  const head = ["", ...outcomeColumns];
  const rows = listOutcomeRows(outcomes);
  const claims = testClaims(outcomes);
  const count = experiment.seeds.length;
  console.log(
    `\nMean +- sd over ${count} seed${
      count === 1 ? "" : "s"
    }, each metric from its own best-validation snapshot:`,
  );
  const drop = ["val prec@2", "test prec@2", "val loss", "val prec@1", "sampling"];
  console.log(formatTable(head, rows, { drop }));
  console.log(SAMPLING_NOTE);
  console.log("\nOutcomes of the published claims on these data:");
  for (const { claim, text } of claims) console.log(`  ${claim}\n      ${text}`);
  const table = rows.map(([model, ...metrics]) => ({ model, metrics }));
  await writeJson(`${path}/result.json`, { table, claims });
  if (readme !== undefined) {
    const lines = [
      `**${formatRunName(experiment.data)}**, mean +- sd over ${count} seeds, ` +
      "each metric from its own best-validation snapshot:",
      "",
      ...formatMarkdownTable(head, rows),
      "",
      `${SAMPLING_NOTE}.`,
      "",
      ...claims.map(({ claim, text }) => `- ${claim}. ${text}`),
    ];
    await writeBetweenMarkers(readme, blockName(experiment.data), lines.join("\n"));
    console.log(`The table is in ${readme}`);
  }
  const report = reportFile(path);
  await writeReport([path], report);
  console.log(`\nResults are in ${quotePath(path)}, the report is ${quotePath(report)}`);
}

/** Returns the name of a data set's table in a Markdown file, such as "reproduce demo". */
function blockName(data: string): string {
  return `reproduce ${formatRunName(data)}`;
}

function formatRunName(data: string): string {
  return basename(data).replace(/\.\w+$/, "");
}

await runMain(main);

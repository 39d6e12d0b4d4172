/** `reproduce`: the published experiments on any data set, and whether their claims hold there. */

import { Command } from "commander";
import { type ItemFeatures, usersOf } from "../data/click_log.ts";
import { UserError } from "../user_error.ts";
import { claimsOn } from "../experiment/claims.ts";
import {
  type Experiment,
  type ExperimentModel,
  experimentModels,
  readExperiment,
  worksOver,
  writeExperiment,
} from "../experiment/models.ts";
import { type ModelOutcome, OUTCOME_HEAD, outcomeRows, readOutcome } from "../experiment/outcome.ts";
import { blockName, readmeBlock } from "../experiment/readme_table.ts";
import type { Gpu } from "../gpu/device.ts";
import { writeReport } from "../report/write_report.ts";
import { atomicWriteFile, makeFolder } from "../files/atomic_write.ts";
import { expectEmpty, OwnedFolder } from "../files/owned_folder.ts";
import type { Dataset } from "../run/dataset.ts";
import { expectMarkers, writeBetweenMarkers } from "../run/markers.ts";
import { type RunConfig, runConfigSchema } from "../run/run_config.ts";
import { configOfSeed, folderOfSeed, readSeeds, type Seeds, writeSeeds } from "../run/seeds_folder.ts";
import { readSnapshot } from "../run/snapshot.ts";
import { defaultTraining, paperAdversarial } from "../train/config.ts";
import { version } from "../version.ts";
import { README, SAVE_DIR } from "./arguments.ts";
import { CALIBRATION, NO_CALIBRATION, shapesFor } from "./calibration.ts";
import { runMain } from "./fail.ts";
import { dataOption, openData } from "./open_data.ts";
import { checkSeeds, folder, LARGEST_SEED, parse, path as pathOf, wholeNumber } from "./options.ts";
import { reportFile, reproduceFolder } from "./output_folders.ts";
import { EXIT_INTERRUPTED, goOn, initOf, isFinished, machine, say, withGpu } from "./run_stages.ts";
import { quoted } from "./shell_word.ts";
import { stopOnSignals } from "./stop.ts";
import { outputWidth, table } from "./table.ts";

interface ReproduceOptions {
  data: string;
  resplit: boolean;
  seeds: number;
  seed: number;
  saveDir?: string;
  iterations: number;
  adversarial: number;
  models?: string[];
  readme?: string;
  calibration?: boolean;
}

function parseOptions(args: readonly string[]): ReproduceOptions {
  const command = new Command("deno task reproduce")
    .description(
      "Trains the models of the published experiments on a data set, each with several seeds, and says for each of " +
        "the published claims whether it holds there, by a paired test over the seeds. It may be stopped and started " +
        "again: finished runs stay, an unfinished one goes on.",
    )
    .version(version)
    .addOption(dataOption())
    .option("--resplit", "deal the users out anew (by --seed) instead of using the file's split", false)
    .option("--seeds <n>", "seeds of every model, --seed and up", wholeNumber(1, 1000), 5)
    .option("--seed <n>", "the first seed", wholeNumber(0, LARGEST_SEED), 1)
    .option(SAVE_DIR, "where everything is written (default: runs/reproduce-<data>)", folder)
    .option("--iterations <n>", "of the Shannon stage", wholeNumber(10), defaultTraining.iterations)
    .option(
      "--adversarial <n>",
      "of the adversarial stage",
      wholeNumber(paperAdversarial.validateEvery),
      paperAdversarial.iterations,
    )
    .option(
      "--models <names>",
      `only these, by folder, joined by commas: ${experimentModels.map((m) => m.folder).join(", ")}`,
      modelNames,
    )
    .option(...CALIBRATION)
    .option(...NO_CALIBRATION)
    .option(
      README,
      "write the table into this file too, between its markers for this data",
      pathOf,
    )
    .addHelpText(
      "after",
      "\nExamples:\n  deno task reproduce --data yelp.txt\n" +
        "  deno task reproduce --data yelp.txt --seeds 2 --models baseline-64-64,fine-tuned-64-64",
    );
  const options = parse<ReproduceOptions>(command, args);
  checkSeeds(options.seed, options.seeds);
  return options;
}

function modelNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "");
  const known = experimentModels.map(({ folder }) => folder).join(", ");
  if (names.length === 0) throw new UserError(`Expected --models among ${known}, got none.`);
  for (const name of names) {
    if (experimentModels.some(({ folder }) => folder === name)) continue;
    throw new UserError(`Expected --models among ${known}, got "${name}".`);
  }
  return names;
}

/**
 * The models that were asked for and those they start from, in the order of training.
 * @throws UserError for one that was asked for by name and cannot be made over these items.
 */
function chosenModels(names: readonly string[] | undefined, items: ItemFeatures["kind"]): ExperimentModel[] {
  const refused = experimentModels.filter((model) => !worksOver(model, items));
  if (!names) {
    for (const { name } of refused) say(`${name} is left out: with tanh, items must be one-hot or dense`);
    return experimentModels.filter((model) => worksOver(model, items));
  }
  const [wrong] = refused.filter(({ folder }) => names.includes(folder));
  if (wrong) {
    throw new UserError(
      `Expected --models that can be trained on this data, got ${wrong.folder}: with tanh, items must be one-hot or dense, ` +
        "and these have mixed features. Leave it out.",
    );
  }
  const needed = new Set(names);
  for (const model of experimentModels) {
    if (needed.has(model.folder) && model.adversarialAfter) needed.add(model.adversarialAfter);
  }
  return experimentModels.filter(({ folder }) => needed.has(folder));
}

const EXPERIMENTS = { what: "the experiments", option: "--save-dir" };

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  const path = options.saveDir ?? reproduceFolder(options.data);
  if (options.readme !== undefined) await expectMarkers(options.readme, blockName(options.data));
  const before = await readExperiment(path);
  expectSameSettings(path, before, options);
  const data = await openData(options);
  const models = chosenModels(options.models, data.source.items.shape.kind);
  expectTrainUsers(data, models);
  return await withGpu(data, undefined, async (gpu) => {
    using _folder = before ? OwnedFolder.open(path) : await OwnedFolder.begin(path, EXPERIMENTS);
    const experiment = await openExperiment(path, options, models);
    for (const [k, model] of models.entries()) {
      for (const seed of experiment.seeds) {
        const folder = folderOfSeed(`${path}/${model.folder}`, seed);
        if (await readOutcome(model, path, seed)) {
          OwnedFolder.open(folder)[Symbol.dispose](); // clears what a command left that was killed behind its last word
          continue;
        }
        say(`${model.name} (${k + 1} of ${models.length}), seed ${seed}`);
        const seeds = await seedsOf(gpu, data, model, path, experiment, options.calibration);
        const config = await configOf(seeds, model, path, seed);
        const init = config.init ? (await readSnapshot(config.init.path)).weights : undefined;
        const context = { gpu, data, init, signal: stop.signal };
        await makeFolder(folder);
        using run = OwnedFolder.open(folder);
        if (!isFinished(config, await goOn(context, run, config, stop))) {
          say(`Stopped; everything is saved in ${path}. Go on with the same command.`);
          return EXIT_INTERRUPTED;
        }
      }
    }
    await tell(path, experiment, models, options);
    return 0;
  });
}

/** @throws UserError for a data set with fewer train users than the batch of a published model takes. */
function expectTrainUsers(data: Dataset, models: readonly ExperimentModel[]): void {
  const found = usersOf(data.source, "train").length;
  for (const { name, adversarialAfter } of models) {
    const { batchSize } = adversarialAfter === undefined ? defaultTraining : paperAdversarial;
    if (found >= batchSize) continue;
    throw new UserError(
      `Expected at least ${batchSize} train users, as many as the published batch of ${name} takes, found ${found} in ` +
        `${data.source.name}. Bring more users, or leave models out with --models.`,
    );
  }
}

/** What the experiments in a folder must have in common, whenever they were begun. */
function settingsOf({ data, resplit, iterations, adversarial }: ReproduceOptions) {
  return { data, resplit, iterations, adversarial };
}

/** @throws UserError for a folder of other settings. */
function expectSameSettings(path: string, before: Experiment | undefined, options: ReproduceOptions): void {
  if (!before) return expectEmpty(path, EXPERIMENTS);
  const settings = settingsOf(options);
  for (const [name, value] of Object.entries(settings)) {
    const found = before[name as keyof typeof settings];
    if (found === value) continue;
    throw new UserError(
      `Expected the experiments in ${path} to be of the same settings, but there ${name} is ${found}, here ${value}. ` +
        "Choose another --save-dir.",
    );
  }
}

/** Begins the experiments, or goes on with those in the folder. */
async function openExperiment(
  path: string,
  options: ReproduceOptions,
  models: readonly ExperimentModel[],
): Promise<Experiment> {
  const seeds = Array.from({ length: options.seeds }, (_, k) => options.seed + k);
  const before = await readExperiment(path);
  expectSameSettings(path, before, options); // another process may have begun them since the first look
  const names = new Set([...(before?.models ?? []), ...models].map(({ folder }) => folder));
  const all = experimentModels.filter(({ folder }) => names.has(folder));
  const experiment = {
    ...settingsOf(options),
    seeds,
    models: all.map(({ name, folder }) => ({ name, folder })),
  };
  await writeExperiment(path, experiment);
  return experiment;
}

/** The seeds.json of a model, which is written before its first run. */
async function seedsOf(
  gpu: Gpu,
  data: Dataset,
  model: ExperimentModel,
  path: string,
  { seeds, iterations, adversarial }: Experiment,
  calibration: boolean | undefined,
): Promise<Seeds> {
  const own = `${path}/${model.folder}`;
  const before = await readSeeds(own);
  if (before) {
    if (JSON.stringify(before.config.data) !== JSON.stringify(data.config)) {
      throw new UserError(
        `${own} was trained on other data: the file has changed since. Put the old one back, or choose another --save-dir.`,
      );
    }
    const all = { ...before, seeds };
    await writeSeeds(own, all);
    return all;
  }
  await makeFolder(own);
  expectEmpty(own, EXPERIMENTS);
  const game = model.adversarialAfter !== undefined;
  const sizes = {
    model: model.model,
    users: game ? paperAdversarial.batchSize : defaultTraining.batchSize,
  };
  const config: RunConfig = {
    clickgan: version,
    command: Deno.args,
    data: data.config,
    model: model.model,
    training: { ...defaultTraining, seed: seeds[0] ?? 1, iterations },
    pretrain: !game,
    adversarial: game ? { ...paperAdversarial, iterations: adversarial } : null,
    init: null,
    ...await machine(gpu),
    shapes: await shapesFor(calibration, gpu, data.source, sizes, say),
  };
  const fresh = { seeds: [...seeds], config: runConfigSchema.parse(config) };
  await writeSeeds(own, fresh);
  return fresh;
}

/** A fine-tuned model starts from the best prec@1 of the same seed of the model that it follows. */
async function configOf(
  seeds: Seeds,
  model: ExperimentModel,
  path: string,
  seed: number,
): Promise<RunConfig> {
  const config = configOfSeed(seeds, seed);
  if (model.adversarialAfter === undefined || model.adversarialAfter === "none") return config;
  const from = folderOfSeed(`${path}/${model.adversarialAfter}`, seed);
  return { ...config, init: await initOf(`${from}/best-prec1.safetensors`) };
}

async function tell(
  path: string,
  experiment: Experiment,
  models: readonly ExperimentModel[],
  options: ReproduceOptions,
): Promise<void> {
  const outcomes: ModelOutcome[] = [];
  for (const model of models) {
    const seeds = [];
    for (const seed of experiment.seeds) {
      const outcome = await readOutcome(model, path, seed);
      if (outcome) seeds.push(outcome);
    }
    outcomes.push({ model, seeds });
  }
  const rows = outcomeRows(outcomes);
  const claims = claimsOn(outcomes);
  const count = experiment.seeds.length;
  console.log(
    `\nMean +- sd over ${count} seed${count === 1 ? "" : "s"}, each figure from its best validation:`,
  );
  const cells = rows.map(({ name, cells }) => [name, ...cells]);
  const wide = table(OUTCOME_HEAD, cells);
  if (wide.split("\n").every((line) => line.length <= outputWidth())) console.log(wide);
  else {
    const part = (columns: readonly number[]) =>
      table(columns.map((c) => OUTCOME_HEAD[c] ?? ""), cells.map((row) => columns.map((c) => row[c] ?? "")));
    console.log(`${part([0, 1, 2, 3])}\n\n${part([0, 4, 5, 6])}`);
  }
  console.log("\nThe published claims on this data:");
  for (const { claim, text } of claims) console.log(`  ${claim}\n      ${text}`);
  const result = { table: rows.map(({ name, cells }) => ({ model: name, figures: cells })), claims };
  await atomicWriteFile(`${path}/result.json`, JSON.stringify(result, null, 2) + "\n");
  if (options.readme !== undefined) {
    const { name, text } = readmeBlock(experiment, rows, claims);
    await writeBetweenMarkers(options.readme, name, text);
    console.log(`The table is in ${options.readme}`);
  }
  const report = reportFile(path);
  await writeReport([path], report);
  console.log(`\nResults are in ${quoted(path)}, the report is ${quoted(report)}`);
}

await runMain(main);

/** `train`: trains a user model on a click log. */

import { listModelParameters } from "../../model/user_model.ts";
import { buildStagesConfig, expectPlaces, modelGroup } from "../../run/options/stages_options.ts";
import { listUsers } from "../../data/click_log.ts";
import { checkBatchSize } from "../../train/click_trainer.ts";
import type { Dataset } from "../../data/sets/dataset.ts";
import { expectEmpty, OwnedFolder } from "../../files/owned_folder.ts";
import {
  getSeedConfig,
  getSeedFolder,
  hasConfig,
  readConfig,
  readSeeds,
  type RunConfig,
  writeSeeds,
} from "../../run/run_config.ts";
import { expectRestorable, type RunContext } from "../../run/training_run.ts";
import type { StagesConfig } from "../../train/training_config.ts";
import { UserError } from "../../user_error.ts";
import { chooseVariants } from "../../cli/choose_variants.ts";
import { listSeeds } from "../../cli/command_options.ts";
import { runMain } from "../../cli/run_main.ts";
import { openData, reopenData } from "../../cli/open_data.ts";
import {
  compareMachine,
  createRunConfig,
  expectToGoOn,
  fitInit,
  getTimestamp,
  hasBegun,
  reopen,
  warnOfSingleItemPages,
  withGpu,
} from "./run_stages.ts";
import { quotePath, quoteShellWord } from "../../shell_word.ts";
import { runChild } from "../../cli/jobs.ts";
import { describeProcess } from "../../cli/launch.ts";
import { describeRunning, expectNoRawLog, RawLogError, writeSelect } from "../../cli/raw_log.ts";
import { EXIT_INTERRUPTED, stopOnSignals, type StopRequest } from "../../cli/stop.ts";
import { expectOneJob, parseTrainOptions, type TrainOptions } from "./train_options.ts";
import {
  buildRanksConfig,
  expectAsMany,
  expectSame,
  expectTrainable,
  follow,
  receiveConfigs,
  sendConfigs,
  withRanks,
} from "./train_ranks.ts";
import type { MpiRanks } from "../../run/ranks/mpi.ts";
import { runOne, runSeeds } from "./train_runs.ts";
import { pathExists } from "../../files/local_file.ts";
import { readSnapshot } from "../../run/snapshot_file.ts";
import type { Snapshot } from "../../run/snapshot/snapshot.ts";
import { listStages, stages } from "../../run/stages.ts";
import { describeUnfinished } from "../../run/open_run.ts";
import { RunFolder } from "../../run/run_folder.ts";
import { findBest } from "../../run/run_state.ts";

async function main(): Promise<number> {
  const { options, given } = parseTrainOptions(Deno.args);
  const stop = stopOnSignals();
  return await withRanks(stop, (ranks) => {
    if (ranks && options.jobs > 1) {
      throw new UserError(
        "Expected --jobs 1 under mpirun, because the ranks train each model together. Remove --jobs.",
      );
    }
    const request = { options, given, stop, ranks };
    if (options.resume === undefined) return begin(request);
    return isFollower(ranks) ? followResumed(ranks, stop) : resume(options.resume, request);
  });
}

interface TrainRequest {
  readonly options: TrainOptions;
  /** Names of the options that the user typed. */
  readonly given: ReadonlySet<string>;
  readonly stop: StopRequest;
  /** Ranks, if mpirun started several processes; otherwise undefined. */
  readonly ranks: MpiRanks | undefined;
}

/** Prepares a raw log; returns the data's path. @throws RawLogError without --yes, or for unknown columns */
async function prepareRawLog({ data, yes }: TrainOptions, { signal }: StopRequest): Promise<string> {
  try {
    const words = (out: string) => Deno.args.map((arg) => quoteShellWord(arg.replace(data, out)));
    await expectNoRawLog(data, { use: (out) => ["deno task -q train", ...words(out)].join(" ") });
    return data;
  } catch (error) {
    if (!(error instanceof RawLogError) || !yes || !error.preparation.isComplete) throw error;
    const { args, out } = error.preparation;
    console.error(describeRunning(error.preparation));
    await writeSelect(error.preparation);
    await runChild({
      process: describeProcess("data", ["log", ...args]),
      signal,
      onOutput: console.error,
      onNote: console.error,
    });
    return out;
  }
}

async function begin({ options: asked, given, stop, ranks }: TrainRequest): Promise<number> {
  const options = ranks ? asked : { ...asked, data: await prepareRawLog(asked, stop) };
  if (stop.signal.aborted) return EXIT_INTERRUPTED;
  const own = buildRanksConfig(ranks, options.syncEvery);
  const follows = isFollower(ranks);
  if (options.saveDir !== undefined && !follows) expectEmpty(options.saveDir, NEW_RUN); // before reading data
  let data = await openData(options);
  warnOfSingleItemPages(options.data, data.source);
  const init = options.init === undefined ? undefined : await openInit(options.init, data);
  if (init?.snapshot.info) {
    data = fitInit(data, init.snapshot.info, init.path);
  }
  const trained = resolveStagesConfig(options, given, data, init);
  expectPlaces(options.data, { ...data, kind: data.config.kind }, trained.model);
  init?.snapshot.checkShapes(listModelParameters(data.source.items.shape, trained.model));
  if (own) expectTrainable(own, trained, data.source);
  if (trained.adversarial) { // checked before the Shannon stage starts
    checkBatchSize(
      trained.adversarial.batchSize,
      listUsers(data.source, "train"),
      "--adversarial-batch-size",
    );
  }
  return await withGpu(data, [trained], async (gpu) => {
    await expectSame(ranks, gpu, data.config, { ...trained, ranks: own });
    const shared = { gpu, data, ranks, signal: stop.signal };
    if (follows) return await follow({ ...shared, init: undefined }, ranks, await receiveConfigs(ranks));
    const sizes = { model: trained.model, users: trained.training.batchSize };
    const variants = await chooseVariants(options.autotune, gpu, data.source, sizes, console.error);
    const config = {
      ...await createRunConfig(gpu, data, trained, { variants, init: init?.path }),
      ranks: own,
    };
    const context: RunContext = { ...shared, init: init?.snapshot.weights };
    const path = options.saveDir ?? `runs/${data.source.name.replace(/[^\w.-]+/g, "_")}-${getTimestamp()}`;
    using _folder = await OwnedFolder.begin(path, NEW_RUN);
    console.error(`run: ${path}`);
    const seeds = { seeds: listSeeds(options.seed, options.seeds), config };
    await sendConfigs(ranks, seeds.seeds.map((seed) => getSeedConfig(seeds, seed)));
    if (options.seeds === 1) return await runOne({ ...context, path, config }, options.report, stop);
    await writeSeeds(path, seeds);
    return await runSeeds(context, path, seeds, options, stop);
  });
}

const NEW_RUN = { what: "the run", option: "--save-dir", resumed: ["config.json", "seeds.json"] };

function resolveStagesConfig(
  options: TrainOptions,
  given: ReadonlySet<string>,
  data: Dataset,
  init: Init | undefined,
): StagesConfig {
  const config = buildStagesConfig(options, data, init?.snapshot.info?.model);
  const own = modelGroup.options.some(({ name }) => given.has(name));
  if (!init?.snapshot.info || own) return config;
  const { model } = init.snapshot.info;
  return { ...config, model: config.adversarial ? { ...model, positions: 0 } : model };
}

/** Snapshot with the initial weights. */
interface Init {
  readonly path: string;
  readonly snapshot: Snapshot;
}

/**
 * Opens the initial weights.
 * @param source - path of a snapshot or a run. For a run, the first stage's best-prec1 snapshot is opened.
 * @throws UserError if the run was trained on another data set or split
 */
async function openInit(source: string, data: Dataset): Promise<Init> {
  const config = await hasConfig(source) ? await readConfig(source) : undefined;
  if (!config) {
    if (await pathExists(`${source}/seeds.json`)) {
      throw new UserError(
        `Expected one run for --init, got ${source} with several runs. Name the folder of one seed.`,
      );
    }
    return { path: source, snapshot: await readSnapshot(source) };
  }
  const { path: _, ...own } = { path: "", ...data.config };
  const { path: __, ...theirs } = { path: "", ...config.data };
  if (JSON.stringify(own) !== JSON.stringify(theirs)) {
    throw new UserError(
      `Expected --init of a run on the same data and split (${JSON.stringify(own)}), but ` +
        `${source} was trained on ${JSON.stringify(theirs)}. The run's train users may be ` +
        "test users here. To use the run's weights anyway, name a snapshot in the run's folder.",
    );
  }
  const folder = listStages(config)[0]?.folder(source) ?? source;
  const path = await findBest(folder, "prec1");
  if (path === undefined) {
    throw new UserError(`Expected a run with a best-prec1 snapshot for --init, but ${folder} has none.`);
  }
  const unfinished = await describeUnfinished(source);
  if (unfinished) console.error(unfinished);
  return { path, snapshot: await readSnapshot(path) };
}

function isFollower(ranks: MpiRanks | undefined): ranks is MpiRanks {
  return ranks !== undefined && ranks.rank > 0;
}

/** Resumes a run on the ranks above 0. Rank 0 sends config, state and number of iterations, but no data. */
async function followResumed(ranks: MpiRanks, stop: StopRequest): Promise<number> {
  const configs = await receiveConfigs(ranks);
  const [config] = configs;
  if (!config) throw new Error("expected a config from rank 0");
  const data = await reopenData(config.data);
  return await withGpu(data, [config], async (gpu) => {
    await expectSame(ranks, gpu, data.config, config);
    return await follow({ gpu, data, ranks, init: undefined, signal: stop.signal }, ranks, configs);
  });
}

/** Resumes a run, or a run per seed. @returns the exit code. @throws UserError if a run cannot be resumed */
async function resume(path: string, { options, given, stop, ranks }: TrainRequest): Promise<number> {
  const isRun = await hasConfig(path) || await readSeeds(path) !== undefined;
  if (!isRun) await readConfig(path); // throws an error, because the folder has no run
  using _folder = OwnedFolder.open(path);
  const seeds = await readSeeds(path);
  if (!seeds) expectOneJob(options.jobs);
  const saved = seeds?.config ?? await readConfig(path);
  const config = extend(saved, options, given);
  const extended = seeds && { ...seeds, config };
  const runs = extended
    ? extended.seeds.map((seed) => ({
      path: getSeedFolder(path, seed),
      config: getSeedConfig(extended, seed),
    }))
    : [{ path, config }];
  for (const run of runs) {
    await expectExtensible(run.path, saved, config);
    await expectToGoOn(run.path, run.config);
  }
  expectAsMany(config.ranks, ranks, path);
  await sendConfigs(ranks, runs.map(({ config }) => config));
  const begun = await Promise.all(runs.map(({ path }) => hasBegun(path)));
  const { data, init } = await reopen(config, begun.includes(false));
  if (config.ranks) expectTrainable(config.ranks, config, data.source);
  return await withGpu(data, [config], async (gpu) => {
    await expectSame(ranks, gpu, data.config, config);
    await compareMachine(gpu, saved);
    const context = { gpu, data, ranks, init, signal: stop.signal };
    if (!extended) return await runOne({ ...context, path, config }, options.report, stop);
    for (const run of runs) await expectRestorable(listStages(run.config), { ...context, ...run });
    if (config !== saved) await writeSeeds(path, extended);
    return await runSeeds(context, path, extended, options, stop);
  });
}

/** @throws UserError if the options extend a stage, but the next stage has already begun. */
async function expectExtensible(path: string, saved: RunConfig, wanted: RunConfig): Promise<void> {
  const all = listStages(saved);
  for (const [k, stage] of all.entries()) {
    const next = all[k + 1];
    if (!next || stage.iterations(saved) === stage.iterations(wanted)) continue;
    if (!await RunFolder.hasState(next.folder(path))) continue;
    throw new UserError(
      `Expected the ${stage.title} of ${path} to keep its number of iterations, because the ${next.title} ` +
        `has begun. Start a new run with --init ${quotePath(`${stage.folder(path)}/last.safetensors`)}.`,
    );
  }
}

/** @throws UserError if the user typed a number of iterations for a stage that the run does not have */
function extend(config: RunConfig, options: TrainOptions, given: ReadonlySet<string>): RunConfig {
  let extended = config;
  for (const stage of stages.filter(({ option }) => given.has(option))) {
    if (!stage.isPartOf(config)) throw new UserError(stage.absent);
    extended = stage.withIterations(extended, options[stage.option]);
  }
  return extended;
}

await runMain(main);

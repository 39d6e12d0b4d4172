/** `train`: from a click log to a trained user model. */

import { UserError } from "../user_error.ts";
import type { Gpu } from "../gpu/device.ts";
import { modelParameters } from "../model/user_model.ts";
import { writeReport } from "../report/write_report.ts";
import { type Dataset, fitDataset } from "../run/dataset.ts";
import { checksum } from "../files/checksum.ts";
import { makeFolder } from "../files/atomic_write.ts";
import { exists } from "../files/file_error.ts";
import { contentsOf, expectEmpty, OwnedFolder } from "../files/owned_folder.ts";
import { hasConfig, readConfig, type RunConfig, runConfigSchema } from "../run/run_config.ts";
import { RunFolder } from "../run/run_folder.ts";
import {
  configOfSeed,
  folderOfSeed,
  readSeeds,
  type Seeds,
  writeSeeds,
  writeSeedsResult,
} from "../run/seeds_folder.ts";
import { readSnapshot, type Snapshot } from "../run/snapshot.ts";
import { type Stage, stages, stagesOf } from "../run/stages.ts";
import type { RunContext, RunResult } from "../run/training_run.ts";
import { version } from "../version.ts";
import { shapesFor } from "./calibration.ts";
import { runMain } from "./fail.ts";
import { openData, reopenData } from "./open_data.ts";
import { reportFile } from "./output_folders.ts";
import { attainedText, resultTable, seedsTable, spearmanText } from "./report_table.ts";
import {
  EXIT_INTERRUPTED,
  expectToGoOn,
  goOn,
  initOf,
  isFinished,
  machine,
  say,
  timestamp,
  withGpu,
} from "./run_stages.ts";
import { quoted } from "./shell_word.ts";
import { type Stop, stopOnSignals } from "./stop.ts";
import {
  adversarialOf,
  MODEL_OPTIONS,
  modelOf,
  parseTrainOptions,
  trainingOf,
  type TrainOptions,
} from "./train_options.ts";

async function main(): Promise<number> {
  const { options, given } = parseTrainOptions(Deno.args);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  if (options.resume !== undefined) return await resume(options.resume, options, given, stop);
  if (options.saveDir !== undefined) expectNewRun(options.saveDir); // now, not when the data are read
  let data = await openData(options);
  const init = options.init === undefined ? undefined : await openInit(options.init, data);
  if (init?.snapshot.info) {
    data = fitDataset(data, init.snapshot.info.items, `The model of ${init.path}`);
  }
  const trained = trainedOf(options, given, init);
  init?.snapshot.checkShapes(modelParameters(data.source.items.shape, trained.model));
  return await withGpu(data, trained, async (gpu) => {
    const config = await runConfig(gpu, data, options, trained, init);
    const context: RunContext = { gpu, data, init: init?.snapshot.weights, signal: stop.signal };
    const path = options.saveDir ?? `runs/${data.source.name.replace(/[^\w.-]+/g, "_")}-${timestamp()}`;
    expectNewRun(path);
    using run = await OwnedFolder.begin(path, NEW_RUN);
    say(`run: ${path}`);
    if (options.seeds === 1) return await runOne(context, run, config, options.report, stop);
    const seeds = { seeds: Array.from({ length: options.seeds }, (_, k) => options.seed + k), config };
    await writeSeeds(path, seeds);
    return await runSeeds(context, run, seeds, options.report, stop);
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

async function resume(
  path: string,
  options: TrainOptions,
  given: ReadonlySet<string>,
  stop: Stop,
): Promise<number> {
  const isRun = await hasConfig(path) || await readSeeds(path) !== undefined;
  if (!isRun) await readConfig(path); // says so
  using run = OwnedFolder.open(path);
  const seeds = await readSeeds(path);
  if (seeds) {
    const extended = { ...seeds, config: extend(seeds.config, options, given) };
    for (const seed of seeds.seeds) {
      await expectToGoOn(folderOfSeed(path, seed), configOfSeed(extended, seed));
    }
    const begun = await Promise.all(seeds.seeds.map((seed) => hasBegun(folderOfSeed(path, seed))));
    const { data, init } = await reopen(seeds.config, begun.includes(false));
    return await withGpu(data, seeds.config, async (gpu) => {
      await compareMachine(gpu, seeds.config);
      if (extended.config !== seeds.config) await writeSeeds(path, extended);
      const context = { gpu, data, init, signal: stop.signal };
      return await runSeeds(context, run, extended, options.report, stop);
    });
  }
  const saved = await readConfig(path);
  const config = extend(saved, options, given);
  await expectExtensible(path, saved, config);
  await expectToGoOn(path, config);
  const { data, init } = await reopen(config, !await hasBegun(path));
  return await withGpu(data, config, async (gpu) => {
    await compareMachine(gpu, config);
    return await runOne({ gpu, data, init, signal: stop.signal }, run, config, options.report, stop);
  });
}

/** Whether a run has saved anything that it goes on from. */
async function hasBegun(path: string): Promise<boolean> {
  const begun = await Promise.all(stages.map((stage) => RunFolder.hasState(stage.folder(path))));
  return begun.includes(true);
}

/** @throws UserError where a stage is to be extended from which a later one has begun. */
async function expectExtensible(path: string, saved: RunConfig, wanted: RunConfig): Promise<void> {
  const all = stagesOf(saved);
  for (const [k, stage] of all.entries()) {
    const next = all[k + 1];
    if (!next || stage.iterations(saved) === stage.iterations(wanted)) continue;
    if (!await RunFolder.hasState(next.folder(path))) continue;
    throw new UserError(
      `The ${next.title} of ${path} has begun from its ${stage.title}, so that can no longer be extended. ` +
        `Start a new run with --init ${quoted(`${stage.folder(path)}/last.safetensors`)}.`,
    );
  }
}

/** The config with the iterations that were given. @throws UserError for a stage that the run does not have. */
function extend(config: RunConfig, options: TrainOptions, given: ReadonlySet<string>): RunConfig {
  let extended = config;
  for (const stage of stages.filter(({ option }) => given.has(option))) {
    if (!stage.isPartOf(config)) throw new UserError(stage.absent);
    extended = stage.withIterations(extended, options[stage.option]);
  }
  return extended;
}

async function runOne(
  context: RunContext,
  run: OwnedFolder,
  config: RunConfig,
  report: boolean,
  stop: Stop,
): Promise<number> {
  const results = await goOn(context, run, config, stop, print);
  if (!isFinished(config, results)) return interrupted(run.path, where(config, results));
  if (report) await tellReport(run.path);
  return 0;
}

/** Trains each seed, or goes on with it where it has begun. */
async function runSeeds(
  context: RunContext,
  { path }: OwnedFolder,
  seeds: Seeds,
  report: boolean,
  stop: Stop,
): Promise<number> {
  const finished: RunResult[][] = [];
  for (const seed of seeds.seeds) {
    if (stop.signal.aborted) break;
    say(`seed ${seed}`);
    const config = configOfSeed(seeds, seed);
    const folder = folderOfSeed(path, seed);
    await makeFolder(folder);
    using run = OwnedFolder.open(folder);
    const results = await goOn(context, run, config, stop, print);
    if (!isFinished(config, results)) break;
    finished.push(results);
  }
  if (finished.length < seeds.seeds.length) {
    return interrupted(path, `${finished.length} of ${seeds.seeds.length} seeds`);
  }
  stagesOf(seeds.config).forEach(({ name }, k) => {
    console.log(`\nTest users, ${name} stage, mean +- sd over ${finished.length} seeds:`);
    console.log(seedsTable(finished.map((results) => results[k]?.test ?? [])));
  });
  await writeSeedsResult(path, finished.flat());
  console.log(`Results are in ${path}`);
  if (report) await tellReport(path);
  return 0;
}

async function tellReport(path: string): Promise<void> {
  const file = reportFile(path);
  await writeReport([path], file);
  console.log(`The report is ${file}`);
}

/** A snapshot to start from. */
interface Init {
  readonly path: string;
  readonly snapshot: Snapshot;
}

/**
 * @param source a snapshot, or a run, whose best prec@1 is taken: of the Shannon stage if it has one.
 * @throws UserError for a run on other data, as its train users may be this one's test users.
 */
async function openInit(source: string, data: Dataset): Promise<Init> {
  const config = await hasConfig(source) ? await readConfig(source) : undefined;
  if (!config) {
    if (await exists(`${source}/seeds.json`)) {
      throw new UserError(
        `Expected one run for --init, got ${source}, which holds several: name one of its seeds.`,
      );
    }
    return { path: source, snapshot: await readSnapshot(source) };
  }
  const { path: _, ...own } = { path: "", ...data.config };
  const { path: __, ...theirs } = { path: "", ...config.data };
  if (JSON.stringify(own) !== JSON.stringify(theirs)) {
    throw new UserError(
      `Expected --init of a run on the same data, but ${source} was trained on other data or another split ` +
        `(${JSON.stringify(theirs)}, here ${JSON.stringify(own)}): its train users may be test users here. ` +
        `To use its weights all the same, name a snapshot in it.`,
    );
  }
  const folder = stagesOf(config)[0]?.folder(source) ?? source;
  const path = `${folder}/best-prec1.safetensors`;
  if (!await exists(path)) {
    throw new UserError(`Expected a run with a best-prec1 snapshot for --init, found none in ${folder}.`);
  }
  return { path, snapshot: await readSnapshot(path) };
}

/** Opens what a run was begun with. @param fresh whether the weights it starts from are still needed. */
async function reopen(
  config: RunConfig,
  fresh: boolean,
): Promise<{ data: Dataset; init: Snapshot["weights"] | undefined }> {
  const data = await reopenData(config.data);
  if (!config.init || !fresh) return { data, init: undefined };
  const { path, sha256 } = config.init;
  const init = await readSnapshot(path);
  if ((await checksum(path)).sha256 !== sha256) {
    throw new UserError(
      `${path}, which the run starts from, has changed since it began. Put the old file back.`,
    );
  }
  const fitted = init.info ? fitDataset(data, init.info.items, `The model of ${path}`) : data;
  return { data: fitted, init: init.weights };
}

/** A run goes on bit for bit on the same machine; elsewhere it goes on, and says so. */
async function compareMachine(gpu: Gpu, config: RunConfig): Promise<void> {
  const now = { ...await machine(gpu), clickgan: version };
  const then = { system: config.system, ...config.adapter, clickgan: config.clickgan };
  const found: Record<string, string> = { system: now.system, ...now.adapter, clickgan: now.clickgan };
  const changed = Object.entries(then).filter(([name, value]) => found[name] !== value);
  if (changed.length === 0) return;
  say("This is not what the run began on, so it goes on, but not bit for bit as it would have there:");
  for (const [name, value] of changed) say(`  ${name}: ${found[name]} (was ${value})`);
}

/** What the options say is to be trained. */
function trainedOf(
  options: TrainOptions,
  given: ReadonlySet<string>,
  init: Init | undefined,
): Pick<RunConfig, "model" | "training" | "adversarial"> {
  const own = MODEL_OPTIONS.some((name) => given.has(name));
  return {
    model: init?.snapshot.info && !own ? init.snapshot.info.model : modelOf(options),
    training: trainingOf(options),
    adversarial: adversarialOf(options),
  };
}

async function runConfig(
  gpu: Gpu,
  data: Dataset,
  options: TrainOptions,
  { model, training, adversarial }: ReturnType<typeof trainedOf>,
  init: Init | undefined,
): Promise<RunConfig> {
  const sizes = { model, users: training.batchSize };
  // Parsed, so that what a resumed run reads back is the same to the byte.
  return runConfigSchema.parse({
    clickgan: version,
    command: Deno.args,
    data: data.config,
    model,
    training,
    // Fine-tuning starts from a trained reward: from the Shannon stage, or from --init in its place.
    pretrain: options.pretrain && !(init && adversarial),
    adversarial,
    init: init ? await initOf(init.path) : null,
    ...await machine(gpu),
    shapes: await shapesFor(options.calibration, gpu, data.source, sizes, say),
  });
}

function where(config: RunConfig, results: readonly RunResult[]): string {
  const last = results.at(-1);
  const stage = stagesOf(config).length > 1 ? ` of the ${last?.stage} stage` : "";
  return `iteration ${last?.iteration ?? 0}${stage}`;
}

function interrupted(path: string, after: string): number {
  say(`Stopped after ${after}; everything is saved in ${path}.`);
  say(`Go on with: deno task train --resume ${quoted(path)}`);
  return EXIT_INTERRUPTED;
}

function print({ test, baselines, folder }: RunResult, { heading, hasLikelihood }: Stage): void {
  if (!test) return;
  console.log(`\n${heading}:`);
  console.log(resultTable(test, baselines));
  const texts = [hasLikelihood ? attainedText(test, baselines) : undefined, spearmanText(test)];
  for (const text of texts) if (text) console.log(text);
  console.log(`Results are in ${folder}`);
}

await runMain(main);

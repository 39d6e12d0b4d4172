/** `train`: from a click log to a trained user model. */

import { UserError } from "../data/user_error.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { fitItems } from "../model/item_features.ts";
import { atomicWriteFile } from "../run/atomic_write.ts";
import { type Dataset, digestOf, openDataset, reopenDataset } from "../run/dataset.ts";
import { driverVersion } from "../run/driver.ts";
import { type RunConfig, RunFolder } from "../run/run_folder.ts";
import {
  configOfSeed,
  createSeedsFolder,
  folderOfSeed,
  readSeeds,
  type Seeds,
  writeSeeds,
  writeSeedsResult,
} from "../run/seeds_folder.ts";
import { readSnapshot, type Snapshot } from "../run/snapshot.ts";
import { resumeRun, type RunContext, type RunResult, startRun } from "../run/training_run.ts";
import { version } from "../version.ts";
import { runMain } from "./fail.ts";
import { trainingProgress } from "./progress.ts";
import { attainedText, resultTable, seedsTable } from "./report_table.ts";
import { type Stop, stopOnSignals } from "./stop.ts";
import { MODEL_OPTIONS, parseTrainOptions, type TrainOptions } from "./train_options.ts";

/** What the shell knows a process as that ended by Ctrl-C. */
const EXIT_INTERRUPTED = 130;

async function main(): Promise<number> {
  const { options, given } = parseTrainOptions(Deno.args);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  if (options.resume !== undefined) {
    return await resume(options.resume, given.has("iterations") ? options.iterations : undefined, stop);
  }
  let data = await openDataset(options.data, options.seed, options.resplit);
  const init = options.init === undefined ? undefined : await readSnapshot(options.init);
  if (init?.info) {
    data = { ...data, log: fitItems(data.log, init.info.items, `The model of ${options.init}`) };
  }
  return await withGpu(data, async (gpu) => {
    const config = await runConfig(gpu, data, options, given, init);
    const context: RunContext = { gpu, data, init: init?.weights, signal: stop.signal };
    const path = options.saveDir ?? `runs/${data.log.name.replace(/[^\w.-]+/g, "_")}-${timestamp()}`;
    if (options.seeds > 1) {
      const seeds = { seeds: Array.from({ length: options.seeds }, (_, k) => options.seed + k), config };
      await createSeedsFolder(path, seeds);
      return await runSeeds(context, path, seeds, stop);
    }
    return finish(
      await withProgress(config, 0, stop, (events) => startRun(context, path, config, events)),
      path,
    );
  });
}

async function resume(path: string, iterations: number | undefined, stop: Stop): Promise<number> {
  const extend = (config: RunConfig): RunConfig => ({
    ...config,
    training: { ...config.training, iterations: iterations ?? config.training.iterations },
  });
  const seeds = await readSeeds(path);
  if (seeds) {
    const extended = { ...seeds, config: extend(seeds.config) };
    const begun = await Promise.all(seeds.seeds.map((seed) => RunFolder.hasState(folderOfSeed(path, seed))));
    const { data, init } = await reopen(seeds.config, begun.includes(false));
    return await withGpu(data, async (gpu) => {
      await compareMachine(gpu, seeds.config);
      if (iterations !== undefined) await writeSeeds(path, extended);
      return await runSeeds({ gpu, data, init, signal: stop.signal }, path, extended, stop);
    });
  }
  const config = extend(await RunFolder.readConfig(path));
  const { data, init } = await reopen(config, !await RunFolder.hasState(path));
  return await withGpu(data, async (gpu) => {
    await compareMachine(gpu, config);
    const context = { gpu, data, init, signal: stop.signal };
    const result = await goOn(context, path, config, stop);
    return finish(result, path);
  });
}

/** Goes on with one run, or begins it where it was not begun, or was killed before it had saved anything. */
async function goOn(context: RunContext, path: string, config: RunConfig, stop: Stop): Promise<RunResult> {
  if (!await RunFolder.hasState(path)) {
    await RunFolder.clear(path);
    return await withProgress(config, 0, stop, (events) => startRun(context, path, config, events));
  }
  const { info } = await readSnapshot(`${path}/last.safetensors`);
  const start = info?.iteration ?? 0;
  const { iterations } = config.training;
  if (iterations < start) {
    throw new UserError(`Expected --iterations of at least ${start}, which are done, got ${iterations}.`);
  }
  await atomicWriteFile(`${path}/config.json`, JSON.stringify(config, null, 2) + "\n");
  say(`going on after iteration ${start}`);
  const log = info ? fitItems(context.data.log, info.items, `The run in ${path}`) : context.data.log;
  const fitted = { ...context, data: { ...context.data, log } };
  return await withProgress(config, start, stop, (events) => resumeRun(fitted, path, config, events));
}

/** Trains each seed, or goes on with it where it has begun. */
async function runSeeds(context: RunContext, path: string, seeds: Seeds, stop: Stop): Promise<number> {
  const results: RunResult[] = [];
  for (const seed of seeds.seeds) {
    if (stop.signal.aborted) break;
    say(`seed ${seed}`);
    const config = configOfSeed(seeds, seed);
    const folder = folderOfSeed(path, seed);
    const result = await goOn(context, folder, config, stop);
    results.push(result);
    if (!result.test) break;
    report(result);
  }
  const tests = results.flatMap(({ test }) => (test ? [test] : []));
  if (tests.length < seeds.seeds.length) {
    return interrupted(path, `${tests.length} of ${seeds.seeds.length} seeds`);
  }
  console.log(`\nTest users, mean +- sd over ${tests.length} seeds:`);
  console.log(seedsTable(tests));
  await writeSeedsResult(path, results);
  console.log(`Results are in ${path}`);
  return 0;
}

function finish(result: RunResult, path: string): number {
  if (!result.test) return interrupted(path, `iteration ${result.iteration}`);
  report(result);
  return 0;
}

/** Opens what a run was begun with. @param fresh whether the weights it starts from are still needed. */
async function reopen(
  config: RunConfig,
  fresh: boolean,
): Promise<{ data: Dataset; init: Snapshot["weights"] | undefined }> {
  const data = await reopenDataset(config.data);
  if (!config.init || !fresh) return { data, init: undefined };
  const { path, sha256 } = config.init;
  const init = await readSnapshot(path);
  if (await digestOf(path) !== sha256) {
    throw new UserError(
      `${path}, which the run starts from, has changed since it began. Put the old file back.`,
    );
  }
  const log = init.info ? fitItems(data.log, init.info.items, `The model of ${path}`) : data.log;
  return { data: { ...data, log }, init: init.weights };
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

async function machine(gpu: Gpu): Promise<Pick<RunConfig, "adapter" | "system">> {
  const driver = await driverVersion(gpu.adapter.description);
  return { adapter: { ...gpu.adapter, driver }, system: Deno.build.target };
}

async function runConfig(
  gpu: Gpu,
  data: Dataset,
  options: TrainOptions,
  given: ReadonlySet<string>,
  init: Snapshot | undefined,
): Promise<RunConfig> {
  const { seed, iterations, batchSize, learningRate, validateEvery, evaluationShards } = options;
  const { encoder, lstmUnits, dims } = options;
  const own = MODEL_OPTIONS.some((name) => given.has(name));
  return {
    clickgan: version,
    command: Deno.args,
    data: data.config,
    model: init?.info && !own ? init.info.model : { encoder, lstmUnits, dims },
    training: { seed, iterations, batchSize, learningRate, validateEvery, evaluationShards },
    init: options.init === undefined ? null : { path: options.init, sha256: await digestOf(options.init) },
    ...await machine(gpu),
  };
}

async function withGpu(data: Dataset, use: (gpu: Gpu) => Promise<number>): Promise<number> {
  const gpu = await openGpu();
  try {
    describe(gpu, data);
    const code = await use(gpu);
    gpu.check();
    return code;
  } finally {
    gpu.close();
  }
}

async function withProgress(
  config: RunConfig,
  start: number,
  stop: Stop,
  run: (events: Parameters<typeof startRun>[3]) => Promise<RunResult>,
): Promise<RunResult> {
  const progress = trainingProgress(config.training.iterations, start);
  stop.onStop = () =>
    progress.note("stopping: what is begun is finished and saved (Ctrl-C again to drop it)");
  try {
    return await run({
      onStep: (r) => progress.update(r.iteration, { loss: r.nll, prec1: r.prec1 }),
      onValidation: (r) => progress.update(r.iteration, { valLoss: r.nll, valPrec1: r.prec1 }),
    });
  } finally {
    stop.onStop = undefined;
    progress.stop();
  }
}

function interrupted(path: string, after: string): number {
  say(`Stopped after ${after}; everything is saved in ${path}.`);
  say(`Go on with: deno task train --resume ${/^[\w./-]+$/.test(path) ? path : `'${path}'`}`);
  return EXIT_INTERRUPTED;
}

function report({ test = [], baselines, folder }: RunResult): void {
  console.log(`\nTest users:\n${resultTable(test, baselines)}`);
  const attained = attainedText(test, baselines);
  if (attained) console.log(attained);
  console.log(`Results are in ${folder}`);
}

function describe(gpu: Gpu, data: Dataset): void {
  const { kind, description } = gpu.adapter;
  say(`adapter: ${description}${kind === "cpu" ? " (software: it computes on the CPU)" : ""}`);
  const { log } = data;
  const features = log.items.kind === "dense" ? `${log.items.width} features each` : "one-hot";
  const n = (count: number) => count.toLocaleString("en");
  say(
    `data: ${log.name}, ${n(log.userSplit.length)} users, ${n(log.eventClick.length)} events, ` +
      `${n(log.rowItem.length)} displayed items of ${n(log.items.count)} (${features})`,
  );
}

function say(text: string): void {
  console.error(text);
}

function timestamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
}

await runMain(main);

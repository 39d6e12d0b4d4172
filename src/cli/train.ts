/** `train`: from a click log to a trained user model. */

import { UserError } from "../data/user_error.ts";
import { type Gpu, openGpu } from "../gpu/device.ts";
import { defaultModel } from "../model/config.ts";
import { itemsShape } from "../model/item_features.ts";
import { atomicWriteFile, makeFolder } from "../run/atomic_write.ts";
import { type Dataset, openDataset, reopenDataset } from "../run/dataset.ts";
import { type RunConfig, RunFolder } from "../run/run_folder.ts";
import { readSnapshot, type Snapshot } from "../run/snapshot.ts";
import { resumeRun, type RunResult, startRun } from "../run/training_run.ts";
import { version } from "../version.ts";
import { runMain } from "./fail.ts";
import { trainingProgress } from "./progress.ts";
import { attainedText, resultTable, seedsTable } from "./report_table.ts";
import { MODEL_OPTIONS, parseTrainOptions, type TrainOptions } from "./train_options.ts";

/** What the shell knows a process as that ended by Ctrl-C. */
const EXIT_INTERRUPTED = 130;

async function main(): Promise<number> {
  const { options, given } = parseTrainOptions(Deno.args);
  const stop = stopOnSignals();
  if (options.resume !== undefined) {
    return await resume(options.resume, given.has("iterations") ? options.iterations : undefined, stop);
  }
  const data = await openDataset(options.data, options.seed, options.resplit);
  const init = options.init === undefined ? undefined : await readSnapshot(options.init);
  const gpu = await openGpu();
  try {
    describe(gpu, data);
    const path = options.saveDir ?? `runs/${data.log.name}-${timestamp()}`;
    const results: RunResult[] = [];
    for (let k = 0; k < options.seeds && !stop.signal.aborted; k++) {
      const config = runConfig(gpu, data, options, given, init, options.seed + k);
      const folder = options.seeds === 1 ? path : `${path}/seed-${config.training.seed}`;
      if (options.seeds > 1) say(`seed ${config.training.seed}`);
      const result = await withProgress(
        config,
        0,
        stop,
        (events) => startRun(gpu, data, folder, config, init?.weights, events, stop.signal),
      );
      results.push(result);
      if (!result.finished) return interrupted(result);
      report(result);
    }
    if (options.seeds > 1) await reportSeeds(path, results);
    return 0;
  } finally {
    gpu.close();
  }
}

async function resume(path: string, iterations: number | undefined, stop: Stop): Promise<number> {
  const known = await RunFolder.readConfig(path);
  const config = {
    ...known,
    training: { ...known.training, iterations: iterations ?? known.training.iterations },
  };
  const data = await reopenDataset(config.data);
  const gpu = await openGpu();
  try {
    describe(gpu, data);
    if (gpu.adapter.description !== config.adapter.description) {
      say(
        `The run began on ${config.adapter.description}: it goes on, but not bit for bit as it would have there.`,
      );
    }
    const { info } = await readSnapshot(`${path}/last.safetensors`);
    const start = info?.iteration ?? 0;
    if (config.training.iterations < start) {
      throw new UserError(`Expected --iterations of at least ${start}, which are done, got ${iterations}.`);
    }
    if (iterations !== undefined) {
      await atomicWriteFile(`${path}/config.json`, JSON.stringify(config, null, 2) + "\n");
    }
    say(`going on after iteration ${start}`);
    const result = await withProgress(
      config,
      start,
      stop,
      (events) => resumeRun(gpu, data, path, config, events, stop.signal),
    );
    if (!result.finished) return interrupted(result);
    report(result);
    return 0;
  } finally {
    gpu.close();
  }
}

function runConfig(
  gpu: Gpu,
  data: Dataset,
  options: TrainOptions,
  given: ReadonlySet<string>,
  init: Snapshot | undefined,
  seed: number,
): RunConfig {
  const { iterations, batchSize, learningRate, validateEvery, evaluationShards } = options;
  const own = MODEL_OPTIONS.some((name) => given.has(name));
  const asked = { encoder: options.encoder, lstmUnits: options.lstmUnits, dims: options.dims };
  const model = init?.info && !own ? init.info.model : { ...defaultModel, ...asked };
  if (init?.info) {
    const [theirs, ours] = [init.info.items, itemsShape(data.log.items)];
    if (theirs.kind !== ours.kind || theirs.count !== ours.count || theirs.width !== ours.width) {
      throw new UserError(
        `${options.init} is a model of ${theirs.count} ${theirs.kind} items, ` +
          `but ${data.log.name} has ${ours.count} ${ours.kind} items. Start from a snapshot made on the same items.`,
      );
    }
  }
  return {
    clickgan: version,
    command: Deno.args,
    data: data.config,
    model,
    training: { seed, iterations, batchSize, learningRate, validateEvery, evaluationShards },
    init: options.init ?? null,
    adapter: gpu.adapter,
  };
}

async function withProgress(
  config: RunConfig,
  start: number,
  stop: Stop,
  run: (events: Parameters<typeof startRun>[5]) => Promise<RunResult>,
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

interface Stop {
  readonly signal: AbortSignal;
  onStop: (() => void) | undefined;
}

/** The first Ctrl-C ends training after what is in flight; another, a second or more later, ends the process. */
function stopOnSignals(): Stop {
  const controller = new AbortController();
  const stop: Stop = { signal: controller.signal, onStop: undefined };
  let first = 0;
  const handle = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
      stop.onStop?.();
    } else if (performance.now() - first > 1000) Deno.exit(EXIT_INTERRUPTED);
  };
  Deno.addSignalListener("SIGINT", handle);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", handle);
  return stop;
}

function interrupted(result: RunResult): number {
  say(`Stopped after iteration ${result.iteration}; everything is saved in ${result.folder}.`);
  say(`Go on with: deno task train --resume ${result.folder}`);
  return EXIT_INTERRUPTED;
}

function report(result: RunResult): void {
  console.log(`\nTest users:\n${resultTable(result.test, result.baselines)}`);
  const attained = attainedText(result.test, result.baselines);
  if (attained) console.log(attained);
  console.log(`Results are in ${result.folder}`);
}

async function reportSeeds(path: string, results: readonly RunResult[]): Promise<void> {
  console.log(`\nTest users, mean +- sd over ${results.length} seeds:`);
  console.log(seedsTable(results.map((result) => result.test)));
  await makeFolder(path);
  await atomicWriteFile(`${path}/result.json`, JSON.stringify({ runs: results }, null, 2) + "\n");
  console.log(`Results are in ${path}`);
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

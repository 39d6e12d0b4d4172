/** `deno task bench` without a study: measures the adapter, kernels, and training steps of several sizes. */

import * as v from "../src/schema.ts";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { HTML_FILE, JSON_FILE } from "../src/cli/arguments.ts";
import { expectPage } from "../src/report/page_shell.ts";
import { makeNumberParser, makeOutputFileParser } from "../src/cli/command_options.ts";
import { EXIT_INTERRUPTED, stopOnSignals } from "../src/cli/stop.ts";
import { listUsers } from "../src/data/click_log.ts";
import { toLogSource } from "../src/data/log_source.ts";
import { defaultModel } from "../src/model/model_config.ts";
import { estimateIterationFlops } from "../src/train/iteration_flops.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import type { AdapterKind } from "../src/gpu/kernel_variants.ts";
import { openDataset, readWholeLog } from "../src/data/sets/dataset.ts";
import { defaultTraining } from "../src/train/training_config.ts";
import { UserError } from "../src/user_error.ts";
import { version } from "../src/version.ts";
import { measureAdapter } from "../src/profile/adapter_ceilings.ts";
import type { BenchReport, KernelMeasurement, StepMeasurement } from "../src/profile/bench_report.ts";
import { BENCH_FORMAT } from "../src/profile/bench_report.ts";
import { writeBenchPage } from "./bench_page.ts";
import { compare, listAdapterCells, listBenchTables, listSlopeCells, stepSummaryCells } from "./tables.ts";
import { findCard, type GpuCard } from "./compiled/time_model.ts";
import { describeMissingCompiler } from "./compiled/vulkan.ts";
import { growthAxes, measureGrowth } from "./growth.ts";
import { type KernelOptions, measureKernels } from "./kernel_cases.ts";
import type { BenchLog, BenchModel, Workload } from "../src/profile/workloads.ts";
import {
  benchModels,
  createBenchLog,
  mixedWorkload,
  selectModels,
  workloads,
  zipfWorkload,
} from "../src/profile/workloads.ts";
import {
  createOnlyOption,
  createPatternOption,
  createReadmeOption,
  describeAdapter,
  expectRecords,
  getPagePath,
  printTable,
  readBench,
  selectMatching,
  StudyPage,
  StudyStatus,
  type TableCells,
  writeRecords,
} from "./study.ts";
import { profileStep } from "../src/profile/step_profile.ts";
import { gather } from "./compiled/gather.ts";
import { compileAll } from "./compiled/report.ts";
import { listMeasuredCells } from "./compiled/tables.ts";

const PARTS = ["adapter", "kernels", "steps", "growth"] as const;
type Part = typeof PARTS[number];

const larger: Workload = { ...workloads.W1, name: "W1x4", users: 4 * workloads.W1.users };
const known: ReadonlyMap<string, Workload> = new Map(
  [...Object.values(workloads), mixedWorkload, zipfWorkload, larger].map((
    workload,
  ) => [workload.name, workload]),
);
const TABLES = "bench";
const GROWTH = "bench growth";
const KERNEL_WORKLOADS = ["W0", "W4", "W1", "W2", "W6", "W1x4"];
const STEP_WORKLOADS = ["W0", "W4", "W1", "W2", "W6"];

interface BenchOptions {
  only: RegExp;
  model: RegExp;
  workload: string[];
  data?: string;
  seconds: number;
  variants?: AdapterKind;
  json: string;
  html?: string;
  compare?: string;
  readme?: string;
}

export function createCommand(): Command {
  const own = new Command("deno task bench")
    .description("Measures the adapter, every kernel at the sizes of several workloads, and training steps.")
    .addArgument(
      new Argument("[parts...]", "what to measure; with kernels or steps the adapter is measured too")
        .choices(PARTS).default(["adapter", "kernels", "steps"]),
    )
    .addOption(createOnlyOption("kernels whose name"))
    .addOption(
      createPatternOption(
        "--model <pattern>",
        `only models whose name matches: ${benchModels.map((m) => m.name).join(", ")}`,
      ),
    )
    .addOption(
      new Option("--workload <name>", `a workload, which replaces the default workloads; may be repeated`)
        .argParser(workloadNames).default([], `${KERNEL_WORKLOADS.join(", ")}`),
    )
    .option(
      "--data <file>",
      'a log in the layout of Chen et al. 2019, or a synthetic shop such as "demo", to replace the workloads',
    )
    .option(
      "--seconds <n>",
      "seconds per kernel, probe and step (more if needed for enough samples)",
      makeNumberParser(v.positive(60), "a number of seconds above 0, at most 60"),
      0.2,
    )
    .addOption(
      new Option("--variants <kind>", "also time the kernels for this kind of adapter, if they differ")
        .choices(["cpu", "gpu"]),
    )
    .option(JSON_FILE, "JSON file for the results", makeOutputFileParser(".json"), "bench/out/bench.json")
    .option(
      HTML_FILE,
      "HTML file for the page (default: next to --json)",
      makeOutputFileParser(".html", ".htm"),
    )
    .option("--compare <file>", "JSON file of an earlier bench to compare with")
    .option(...createReadmeOption(TABLES, `the tables, and the growth tables below <!-- ${GROWTH} -->`))
    .addHelpText(
      "after",
      "\nExamples:\n  deno task -q bench kernels --only matmul --workload W1\n" +
        "  deno task -q bench --compare bench/out/bench.json --json bench/out/after.json",
    );
  return own.action((parts: Part[]) => bench(new Set(parts), own.opts<BenchOptions>()));
}

async function bench(parts: ReadonlySet<Part>, options: BenchOptions): Promise<void> {
  // The files are checked first, because the measurement takes minutes.
  expectRecords(options.json, BENCH_FORMAT);
  expectPage(getPagePath(options), "bench");
  if (parts.has("kernels") && !listKernelNames().some((name) => options.only.test(name))) {
    throw new UserError(
      `Expected --only to match the name of a file in kernels/, such as adam, got ${options.only.source}.`,
    );
  }
  const models = selectMatching(benchModels, options.model, "a model", "--model");
  const before = options.compare === undefined ? undefined : await readBench(options.compare);
  const ofAdapter = parts.has("adapter") || parts.has("kernels") || parts.has("steps");
  const markers = [...(ofAdapter ? [TABLES] : []), ...(parts.has("growth") ? [GROWTH] : [])];
  const page = await StudyPage.open(options.readme, ...markers);
  const data = options.data === undefined ? undefined : await openBenchLog(options.data);
  const logs = (usual: readonly string[]): (() => BenchLog)[] => {
    if (data) return [() => data];
    const names = options.workload.length > 0 ? options.workload : usual;
    return names.flatMap((name) => known.get(name) ?? []).map((workload) => () => createBenchLog(workload));
  };
  using status = new StudyStatus();
  // The driver's threads are set once: for the steps of --data or --workload, otherwise for large steps.
  const named = data || options.workload.length > 0 ? logs([]).map((log) => stepFlops(log())) : [];
  using gpu = await openGpu({ stepFlops: named.length > 0 ? Math.max(...named) : undefined });
  const { seconds } = options;
  const stop = stopOnSignals();
  const { signal } = stop;
  stop.onStop = () => status.show("stopping: the current measurement ends, then the results are written");
  const onProgress = (text: string, share = 0) => signal.aborted || status.show(text, share);
  const kernels = parts.has("kernels")
    ? await measureAllKernels(gpu, logs(KERNEL_WORKLOADS), models, { ...options, signal, onProgress })
    : [];
  // The adapter's rates are measured even after an interruption, because the table of kernels needs them.
  const probes = ofAdapter
    ? await measureAdapter(
      gpu,
      signal.aborted ? 0 : seconds,
      (name, share) => onProgress(`adapter: ${name}`, share),
    )
    : [];
  const steps: StepMeasurement[] = [];
  const stepLogs = parts.has("steps") ? logs(STEP_WORKLOADS) : [];
  for (const [k, log] of stepLogs.entries()) {
    const made = log();
    const stepped = selectModels(made.log, models).filter(({ step }) => step);
    for (const [j, model] of stepped.entries()) {
      if (signal.aborted) break;
      onProgress(`step of ${made.name} ${model.name}`, (k + j / stepped.length) / stepLogs.length);
      steps.push(await profileStep(gpu, made, model, { seconds: Math.max(seconds, STEP_SECONDS) }));
    }
  }
  const growth = parts.has("growth") ? await measureGrowth(gpu, growthAxes, seconds, onProgress, signal) : [];
  status.clear();
  gpu.check();
  const report = buildReport(gpu, { probes, kernels, steps, growth });
  await outputResults(report, before, page, options, signal.aborted);
  if (signal.aborted) {
    console.log(
      "Interrupted: the results have only the finished measurements. The --readme page is unchanged.",
    );
    Deno.exitCode = EXIT_INTERRUPTED;
    return;
  }
  const card = findCard(gpu.adapter.description);
  if (card && steps.length > 0) {
    const missing = describeMissingCompiler();
    const tables = missing === undefined ? await compareEstimates(card, steps, logs(STEP_WORKLOADS)) : [];
    for (const { title, cells } of tables) printTable(cells, title);
    if (missing !== undefined) console.log(`No times are estimated: ${missing}`);
  }
}

function buildReport(
  gpu: Gpu,
  measured: Pick<BenchReport, "probes" | "kernels" | "steps" | "growth">,
): BenchReport {
  return {
    format: BENCH_FORMAT,
    date: new Date().toISOString(),
    version,
    adapter: gpu.adapter,
    machine: {
      cores: navigator.hardwareConcurrency,
      timestamps: gpu.hasTimestamps,
      shaderCache: !/^(1|true|yes)$/i.test(Deno.env.get("MESA_SHADER_CACHE_DISABLE") ?? ""),
    },
    ...measured,
  };
}

/** Minimum seconds for which a training step is measured: enough for several runs. */
const STEP_SECONDS = 1.5;

async function measureAllKernels(
  gpu: Gpu,
  logs: readonly (() => BenchLog)[],
  models: readonly BenchModel[],
  options:
    & Pick<BenchOptions, "seconds" | "only" | "variants">
    & Pick<KernelOptions, "onProgress" | "signal">,
): Promise<KernelMeasurement[]> {
  const { seconds, only, variants, signal, onProgress } = options;
  const results: KernelMeasurement[] = [];
  using other = variants !== undefined && variants !== gpu.variants.kind
    ? await openGpu({ variantsFor: variants })
    : undefined;
  const sides = [{ gpu, suffix: "" }, ...other ? [{ gpu: other, suffix: ` (${variants} variants)` }] : []]
    .map((side) => ({ ...side, compiled: new Map<string, number>() }));
  for (const [k, log] of logs.entries()) {
    if (signal?.aborted) break;
    const workload = log();
    const known = new Set<string>();
    for (const [number, { gpu, ...side }] of sides.entries()) {
      const found = await measureKernels(gpu, workload, models, {
        ...{ seconds, only, signal, known, ...side },
        onProgress: (text: string, share: number) =>
          onProgress?.(text, (k + (number + share) / sides.length) / logs.length),
      });
      for (const [key, kernel] of found) {
        known.add(key);
        results.push(kernel);
      }
    }
  }
  if (results.length > 0 || signal?.aborted) return results;
  throw new UserError(
    `Expected --only to match a kernel of the chosen models and workloads, got ${only.source}. ` +
      "Choose other models (--model) or workloads (--workload).",
  );
}

function listKernelNames(): string[] {
  const kernels = new URL("../kernels/", import.meta.url);
  return [...Deno.readDirSync(kernels)].filter(({ isDirectory }) => isDirectory)
    .flatMap(({ name }) => [...Deno.readDirSync(new URL(name, kernels))])
    .flatMap(({ name }) => /^(.+)\.wgsl$/.exec(name)?.[1] ?? []);
}

function stepFlops({ log, users }: BenchLog): number {
  const training = { ...defaultTraining, batchSize: users, validationUsers: 0 };
  return estimateIterationFlops(toLogSource(log), { model: defaultModel, training });
}

async function openBenchLog(data: string): Promise<BenchLog> {
  const log = readWholeLog(await openDataset(data, 1, false));
  return { name: log.name, log, users: Math.min(defaultTraining.batchSize, listUsers(log, "train").length) };
}

async function outputResults(
  report: BenchReport,
  before: BenchReport | undefined,
  page: StudyPage,
  options: BenchOptions,
  interrupted: boolean,
): Promise<void> {
  const { adapter, probes, steps, growth } = report;
  console.log(`${adapter.description} (${adapter.kind}), ${adapter.runtime}`);
  const changes = before && compare(before, report);
  const tables = listBenchTables(report, changes, `Changes since ${options.compare}`);
  for (const { title, cells, notes = [] } of tables) {
    printTable(cells, title);
    for (const text of notes) console.log(text);
  }
  if (before && before.adapter.description !== adapter.description) {
    console.log(`The earlier bench ran on another adapter: ${before.adapter.description}.`);
  }
  await writeRecords(options.json, report);
  const charts = getPagePath(options);
  await writeBenchPage(charts, report, tables);
  console.log(`\nResults: ${options.json}. Page: ${charts}`);
  if (interrupted) return;
  const on = `${describeAdapter(adapter)}:`;
  if (probes.length > 0) {
    await page.write(TABLES, on, listAdapterCells(probes), stepSummaryCells(steps));
  }
  if (growth.length > 0) await page.write(GROWTH, on, listSlopeCells(growth));
  if (options.readme !== undefined) console.log(`The tables are in ${options.readme}`);
}

function workloadNames(name: string, before: string[]): string[] {
  if (known.has(name)) return [...before, name];
  throw new InvalidArgumentError(`Expected one of ${[...known.keys()].join(", ")}, got "${name}".`);
}

/** Returns a table of estimated and measured times per step. @throws UserError if RADV is missing */
async function compareEstimates(
  { family, name }: GpuCard,
  steps: readonly StepMeasurement[],
  logs: readonly (() => BenchLog)[],
): Promise<{ title: string; cells: TableCells }[]> {
  const models = benchModels.filter((model) => steps.some((step) => step.model === model.name));
  const compiled = compileAll(await gather({ logs, models, simulated: false, kind: "gpu" }), {
    gpus: [family],
  });
  return steps.flatMap(({ workload, model, dispatches }) => {
    const own = compiled.steps.find((step) => step.workload === workload && step.model === model);
    if (!own) return [];
    const title = `${workload} ${model}: estimates for ${name}, compared with measurements`;
    return [{ title, cells: listMeasuredCells(own, family, dispatches) }];
  });
}

/** Starts, resumes and displays runs, for `train` and `reproduce`. */

import { computeLogSize, type LogSource } from "../../data/log_source.ts";
import { listUsers } from "../../data/click_log.ts";
import { describeTimeSplit, listContextColumns } from "../../data/manifest.ts";
import { describePages } from "../../run/options/stages_options.ts";
import { getHashSize } from "../../data/item_ids.ts";
import { UserError } from "../../user_error.ts";
import type { Gpu } from "../../gpu/device.ts";
import { openGpu } from "../../gpu/host/open_gpu.ts";
import { type Dataset, fitDataset } from "../../data/sets/dataset.ts";
import { FOLDER_FORMATS } from "../../files/json_file.ts";
import { computeFileChecksum } from "../../files/local_file.ts";
import { readDriverVersion } from "../../gpu/host/driver.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import type { SnapshotInfo } from "../../run/snapshot/snapshot.ts";
import { readSnapshot } from "../../run/snapshot_file.ts";
import * as v from "../../schema.ts";
import type { StagesConfig } from "../../train/training_config.ts";
import { RunFolder } from "../../run/run_folder.ts";
import { listStages, stages, type TrainingStage } from "../../run/stages.ts";
import { countIterationsDone, runStage } from "../../run/training_run.ts";
import type { RunCallbacks, StageRunResult, TrainingRun } from "../../run/training_run.ts";
import { estimateIterationFlops, type TrainingWorkload } from "../../train/iteration_flops.ts";
import { RewardWatch } from "../../train/adversarial_trainer.ts";
import { reopenData } from "../../cli/open_data.ts";
import { createDelayedProgress, createTrainingProgress } from "../../cli/progress.ts";
import { reportAtStop, type StopRequest } from "../../cli/stop.ts";
import { formatThousands } from "../../number_text.ts";
import type { KernelVariants } from "../../gpu/kernel_variants.ts";
import { version } from "../../version.ts";
import type { ModelConfig } from "../../model/model_config.ts";
import { readPositionEffects } from "../../model/position_effect.ts";
import type { Weights } from "../../tape/parameters.ts";

/**
 * Resumes a run, or starts it if it has no saved state.
 * @param report - called when a stage has ended or was interrupted.
 * @returns the results of the stages. If the run was interrupted, the last result has no test metrics.
 */
export async function continueRun(
  run: TrainingRun,
  stop: StopRequest,
  report: (result: StageRunResult, stage: TrainingStage) => void = () => {},
  show: StageDisplayFactory = onTerminal,
): Promise<StageRunResult[]> {
  await expectToGoOn(run.path, run.config);
  const results: StageRunResult[] = [];
  const stages = listStages(run.config);
  for (const stage of stages) {
    if (stop.signal.aborted && results.length > 0) break;
    if (stages.length > 1) console.error(`${stage.name} stage`);
    const result = await runAndShow(stage, run, stop, show);
    results.push(result);
    report(result, stage);
    if (!result.test) break;
  }
  return results;
}

/** @throws UserError if a stage has run more iterations than `config` allows, or the run's files changed. */
export async function expectToGoOn(path: string, config: RunConfig): Promise<void> {
  for (const stage of listStages(config)) {
    const done = await countIterationsDone(stage, path) ?? 0;
    const iterations = stage.iterations(config);
    if (iterations >= done) continue;
    throw new UserError(
      `Expected --${stage.option} of at least ${done}, the number of finished iterations, got ${iterations}.`,
    );
  }
}

/** Returns true if all stages of a run have test metrics. */
export function isFinished(config: RunConfig, results: readonly StageRunResult[]): boolean {
  return results.length === listStages(config).length && results.every(({ test }) => test !== undefined);
}

/** Creates the progress display of a stage with `total` iterations, of which `done` are finished. */
export type StageDisplayFactory = (
  stage: TrainingStage,
  total: number,
  done: number | undefined,
) => StageDisplay;
export interface StageDisplay {
  readonly events: RunCallbacks;
  note(text: string): void;
  stop(): void;
}

async function runAndShow(
  stage: TrainingStage,
  run: TrainingRun,
  stop: StopRequest,
  show: StageDisplayFactory,
): Promise<StageRunResult> {
  const shown = show(stage, stage.iterations(run.config), await countIterationsDone(stage, run.path));
  const watch = stage.name === "adversarial" ? new RewardWatch() : undefined;
  let verdict: string | undefined;
  const { size = 1, syncEvery = 1 } = run.config.ranks ?? {};
  const how = syncEvery === 1
    ? "gradients are summed in every step"
    : `weights are averaged every ${syncEvery} steps`;
  if (size > 1) console.error(`${size} ranks, ${how}`);
  const ending = "stopping: finishing the current steps and saving (press Ctrl-C again to discard them)";
  using _reporting = reportAtStop(stop, shown.note, ending);
  try {
    const result = await runStage(stage, run, {
      ...shown.events,
      onMicroBatches: (parts) =>
        shown.note(
          `batches are split into up to ${parts} micro-batches (--micro-batch-rows or adapter limits)`,
        ),
      onValidation: (r) => {
        shown.events.onValidation?.(r);
        const warning = watch?.take(r);
        if (warning) shown.note(warning);
      },
    });
    verdict = watch?.verdict();
    const iterations = stage.iterations(run.config);
    if (result.test && result.iteration < iterations) {
      shown.note(
        `Early stopping after ${formatThousands(result.iteration)} of ${formatThousands(iterations)} ` +
          "iterations: later validations were not better. To train to the end, use --early-stopping none.",
      );
    }
    if (result.ranks) shown.note(spentText(result.ranks));
    return result;
  } finally {
    shown.stop();
    if (verdict) console.error(verdict);
  }
}

function onTerminal({ shown }: TrainingStage, total: number, done: number | undefined): StageDisplay {
  if (done !== undefined) console.error(`resuming after iteration ${done}`);
  const names = { loss: shown.loss.name, prec1: shown.prec1.name };
  const progress = createTrainingProgress(total, done ?? 0, names);
  /** Progress line for the work before the first training step and after the last. */
  let delayed: ReturnType<typeof createDelayedProgress> | undefined;
  let steps = 0;
  return {
    events: {
      onStep: (r) => {
        if (steps++ === 0) delayed = void delayed?.stop();
        progress.update(r.iteration, { loss: r[shown.loss.metric], prec1: r[shown.prec1.metric] });
      },
      onValidation: (r) =>
        progress.update(r.iteration, { valLoss: r[shown.loss.metric], valPrec1: r[shown.prec1.metric] }),
      onProgress: (what, done, all) => {
        if (!delayed && steps > 0) progress.stop();
        delayed ??= createDelayedProgress();
        delayed.onProgress(what, done, all);
      },
    },
    note: progress.note,
    stop: () => delayed ? delayed.stop() : progress.stop(),
  };
}

/** Describes the share of the training time that ranks spent on communication. */
function spentText({ size, share, seconds, calls, bytes }: NonNullable<StageRunResult["ranks"]>): string {
  const [percent, megabytes] = [(100 * share).toFixed(1), formatThousands(Math.round(bytes / 1e6))];
  return `${size} ranks: ${percent} % of the training time was communication, including waiting ` +
    `for the slowest rank (${seconds.toFixed(1)} s, ${
      formatThousands(calls)
    } calls, ${megabytes} MB sent per rank).`;
}

/** Opens the GPU, prints a description of GPU and data, and calls `use`. @param trained - stages to train */
export async function withGpu<T>(
  data: Dataset,
  trained: readonly TrainingWorkload[],
  use: (gpu: Gpu) => Promise<T>,
): Promise<T> {
  const stepFlops = Math.max(...trained.map((one) => estimateIterationFlops(data.source, one)));
  using gpu = await openGpu({ stepFlops });
  describe(gpu, data, trained.some(({ model }) => model.counts?.rowFeatures !== undefined));
  const result = await use(gpu);
  gpu.check();
  return result;
}

export function printAdapter({ adapter: { kind, description } }: Gpu): void {
  console.error(`adapter: ${description}${kind === "cpu" ? " (software: computes on the CPU)" : ""}`);
}

function describe(gpu: Gpu, data: Dataset, readsContext: boolean): void {
  printAdapter(gpu);
  const { name, items: { shape }, userSplit } = data.source;
  const { events, rows, context } = computeLogSize(data.source);
  const hashed = getHashSize(data.features);
  const features = [
    ...(shape.kind === "mixed" ? [`${formatThousands(shape.tokens)} tokens`] : []),
    ...(hashed === undefined ? [] : [`ids hashed to 2 x ${formatThousands(hashed)} tokens`]),
    ...(shape.kind === "one-hot" ? ["one-hot"] : shape.width > 0 ? [`${shape.width} features each`] : []),
  ].join(", ");
  const n = formatThousands;
  console.error(
    `data: ${name}, ${n(data.timeSplit?.users ?? userSplit.length)} users, ${n(events)} events, ` +
      `${n(rows)} impressions of ${n(shape.count)} items (${features})` +
      (context === 0 ? "" : `, ${n(context)} other events (` +
        `${data.timeSplit ? "earlier pages, " : ""}history-only clicks, additional clicks of a page)`),
  );
  const columns = listContextColumns(data.features?.context).map(({ column }) => column);
  if (columns.length > 0) {
    console.error(
      `context: ${columns.join(", ")}${readsContext ? "" : " (not read by a model without counts)"}`,
    );
  }
  if (data.timeSplit) {
    const [validation, test] = [
      listUsers(data.source, "validation").length,
      listUsers(data.source, "test").length,
    ];
    console.error(describeTimeSplit(data.timeSplit, { validation, test }));
  }
}

/** Builds the config of a new run. @param options.init - file with the initial weights */
export async function createRunConfig(
  gpu: Gpu,
  data: Dataset,
  trained: StagesConfig,
  { variants, init, command = Deno.args }: {
    readonly variants: KernelVariants;
    readonly init?: string;
    readonly command?: string[];
  },
): Promise<RunConfig> {
  // The schema normalises the config, so that a resumed run reads the same bytes.
  return v.parse(runConfigSchema, {
    format: FOLDER_FORMATS.run,
    clickgan: version,
    command,
    data: data.config,
    ...trained,
    init: init === undefined ? null : await describeInit(init),
    ...await describeMachine(gpu),
    variants,
  });
}

export async function describeMachine(gpu: Gpu): Promise<Pick<RunConfig, "adapter" | "system">> {
  const driver = await readDriverVersion(gpu.adapter.description);
  return { adapter: { ...gpu.adapter, driver }, system: Deno.build.target };
}

/** Returns the path and the SHA-256 of a file with initial weights. */
export async function describeInit(path: string): Promise<NonNullable<RunConfig["init"]>> {
  return { path, sha256: (await computeFileChecksum(path)).sha256 };
}

/** Returns true if a stage of the run has saved its state. */
export async function hasBegun(path: string): Promise<boolean> {
  const begun = await Promise.all(stages.map((stage) => RunFolder.hasState(stage.folder(path))));
  return begun.includes(true);
}

/** Reopens a run's data and, for a `fresh` run, the initial weights. @throws UserError if a file changed */
export async function reopen(
  { data: own, init }: RunConfig,
  fresh: boolean,
): Promise<{ data: Dataset; init: Weights | undefined }> {
  const data = await reopenData(own);
  if (!fresh || !init) return { data, init: undefined };
  const snapshot = await readSnapshot(init.path);
  if ((await computeFileChecksum(init.path)).sha256 !== init.sha256) {
    throw new UserError(
      `${init.path} (--init of the run) has changed. Restore the old file.`,
    );
  }
  const fitted = snapshot.info ? fitInit(data, snapshot.info, init.path) : data;
  return { data: fitted, init: snapshot.weights };
}

/** Adapts a data set to the items and features of the snapshot that provides the initial weights. */
export function fitInit(data: Dataset, { items, features }: SnapshotInfo, path: string): Dataset {
  return fitDataset(data, { items, features }, `the model of ${path}`);
}

/** Warns if every page has only one item. @throws UserError if all displayed items were clicked. */
export function warnOfSingleItemPages(name: string, source: LogSource): void {
  const note = describePages(name, source);
  if (note !== undefined) console.error(note);
}

export function getTimestamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
}

/** Software and hardware that computed a run. */
type ComputedBy = Pick<RunConfig, "clickgan" | "adapter" | "system" | "variants">;

/** Warns if a resumed run may not be bit-identical. @param gpu - a GPU with default kernel variants */
export async function compareMachine(gpu: Gpu, then: ComputedBy): Promise<void> {
  const changes = listChanges(then, {
    ...await describeMachine(gpu),
    clickgan: version,
    variants: gpu.variants,
  });
  if (changes.length === 0) return;
  console.error(
    "Warning: the run began on another machine, or with other software. Its results may therefore not " +
      "be bit-identical to those of an uninterrupted run. Changes:",
  );
  for (const change of changes) console.error(`  ${change}`);
}

/** Lists the differences between the machines of two sessions, one per line. @param now - current machine */
export function listChanges(then: ComputedBy, now: ComputedBy): string[] {
  const [was, is] = [listParts(then), listParts(now)];
  return Object.entries(was).filter(([name, value]) => name in is && is[name] !== value)
    .map(([name, value]) => `${name}: ${is[name]} (was ${value})`);
}

/** Lists properties that may change bits of results: system, adapter, program version, kernel variants. */
function listParts({ system, adapter, clickgan, variants }: ComputedBy): Readonly<Record<string, string>> {
  const kernels = variants && { kernels: `for matrices in ${variants.matrices ?? "textures"}` };
  return { system, ...adapter, clickgan, ...kernels };
}

/** Lists remarks on the metrics of a model with a logistic loss or position effects. */
export function listModelNotes({ loss, positions }: ModelConfig, weights?: Weights): string[] {
  const notes: string[] = [];
  if (loss === "logistic") {
    notes.push(
      "The logistic loss treats the clicks of a page as independent. If each page has at most one " +
        "click, this assumption increases the loss, but the ranking stays the same.",
    );
  }
  if (positions > 0) {
    notes.push(
      "Test metrics and the probabilities of `predict` include the position effect; utilities and `recommend` do not.",
    );
    const effects = weights && readPositionEffects(weights);
    notes.push(
      effects ? describePositionEffects(effects) : "To print the position effects, run deno task evaluate.",
    );
  }
  return notes;
}

function describePositionEffects(effects: readonly number[]): string {
  const texts = effects.slice(1).map((effect, k) => `${k + 2}: ${formatEffect(effect)}`);
  return `Position effect (log-odds compared with position 1): ${texts.join(", ") || "none"}`;
}

function formatEffect(effect: number): string {
  return effect.toFixed(2).replace(/^-0\.00$/, "0.00");
}

/** What `train` and `reproduce` do with a run: begin it, go on with it, show how it goes. */

import process from "node:process";
import { type LogSource, sizeOf } from "../../data/log_source.ts";
import { notePages } from "../../run/options/train.ts";
import { hashedIdsOf } from "../../data/item_ids.ts";
import { UserError } from "../../user_error.ts";
import type { Gpu } from "../../gpu/device.ts";
import { openGpu } from "../../gpu/host/open_gpu.ts";
import { type Dataset, fitDataset } from "../../data/sets/dataset.ts";
import { FOLDER_FORMATS } from "../../files/folder_formats.ts";
import { checksum } from "../../files/local_file.ts";
import { driverVersion } from "../../gpu/host/driver.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import { readSnapshot } from "../../run/snapshot.ts";
import * as v from "../../schema.ts";
import type { StagesConfig } from "../../train/config.ts";
import { type Stage, stagesOf } from "../../run/stages.ts";
import {
  iterationsDone,
  type Run,
  type RunEvents,
  type RunResult,
  runStage,
} from "../../run/training_run.ts";
import { iterationFlops, type Trained } from "../../train/iteration_work.ts";
import { RewardWatch } from "../../train/adversarial_trainer.ts";
import { delayedProgress, trainingProgress } from "../../cli/progress.ts";
import { noteAtStop, type Stop } from "../../cli/stop.ts";
import { thousands } from "../../number_text.ts";
import { type AdapterShapes, areFor, type KernelShapes } from "../../gpu/kernel_shapes.ts";
import { version } from "../../version.ts";
import type { ModelConfig } from "../../model/config.ts";
import { positionEffects } from "../../model/position_effect.ts";
import type { Weights } from "../../tape/parameters.ts";

/** What the shell knows a process as that ended by Ctrl-C. */
export const EXIT_INTERRUPTED = 130;

/**
 * Goes on with a run, or begins it where it was not begun, or was killed before it had saved anything.
 * @param report called after each stage that is finished, or stopped.
 * @returns the stages' results; the last one is without test figures when the run was interrupted.
 */
export async function goOn(
  run: Run,
  stop: Stop,
  report: (result: RunResult, stage: Stage) => void = () => {},
  show: ShowStage = onTerminal,
): Promise<RunResult[]> {
  await expectToGoOn(run.path, run.config);
  const results: RunResult[] = [];
  const stages = stagesOf(run.config);
  for (const stage of stages) {
    if (stop.signal.aborted && results.length > 0) break;
    if (stages.length > 1) say(`${stage.name} stage`);
    const result = await goOnWith(stage, run, stop, show);
    results.push(result);
    report(result, stage);
    if (!result.test) break;
  }
  return results;
}

/**
 * Looks whether a run can go on, or begin, with a config; changes nothing.
 * @throws UserError when its files are not what they were, or more iterations are done than are asked for.
 */
export async function expectToGoOn(path: string, config: RunConfig): Promise<void> {
  for (const stage of stagesOf(config)) {
    const done = await iterationsDone(stage, path) ?? 0;
    const iterations = stage.iterations(config);
    if (iterations >= done) continue;
    throw new UserError(
      `Expected --${stage.option} of at least ${done}, as so many are done, got ${iterations}.`,
    );
  }
}

/** Whether all stages have their test figures. */
export function isFinished(config: RunConfig, results: readonly RunResult[]): boolean {
  return results.length === stagesOf(config).length && results.every(({ test }) => test !== undefined);
}

/** How a stage is shown. @param total of its iterations. @param done those of earlier sessions; undefined where it begins */
export type ShowStage = (stage: Stage, total: number, done: number | undefined) => Shown;
export interface Shown {
  readonly events: RunEvents;
  note(text: string): void;
  stop(): void;
}

/** Goes on with a stage, or begins it, and shows how it goes. */
async function goOnWith(stage: Stage, run: Run, stop: Stop, show: ShowStage): Promise<RunResult> {
  const shown = show(stage, stage.iterations(run.config), await iterationsDone(stage, run.path));
  const watch = stage.name === "adversarial" ? new RewardWatch() : undefined;
  let verdict: string | undefined;
  const { size = 1, syncEvery = 1 } = run.config.ranks ?? {};
  const how = syncEvery === 1 ? "gradients are summed in every step" : `one every ${syncEvery} steps`;
  if (size > 1) say(`${size} ranks, ${how}`);
  const ending = "stopping: the steps that are under way are finished and saved (Ctrl-C again to drop them)";
  using _told = noteAtStop(stop, shown.note, ending);
  try {
    const result = await runStage(stage, run, {
      ...shown.events,
      onParts: (parts) =>
        shown.note(
          `a batch is computed in up to ${parts} parts of whole users, as it is larger than the adapter or --part-rows allows`,
        ),
      onValidation: (r) => {
        shown.events.onValidation?.(r);
        const warning = watch?.take(r);
        if (warning) shown.note(warning);
      },
    });
    verdict = watch?.verdict();
    if (result.ranks) shown.note(spentText(result.ranks));
    return result;
  } finally {
    shown.stop();
    if (verdict) say(verdict);
  }
}

function onTerminal({ shown }: Stage, total: number, done: number | undefined): Shown {
  if (done !== undefined) say(`going on after iteration ${done}`);
  const names = { loss: shown.loss.name, prec1: shown.prec1.name };
  const progress = trainingProgress(total, done ?? 0, process.stderr, names);
  /** Of what is done before the first step, or after the last. */
  let beside: ReturnType<typeof delayedProgress> | undefined;
  let steps = 0;
  return {
    events: {
      onStep: (r) => {
        if (steps++ === 0) beside = void beside?.stop();
        progress.update(r.iteration, { loss: r[shown.loss.figure], prec1: r[shown.prec1.figure] });
      },
      onValidation: (r) =>
        progress.update(r.iteration, { valLoss: r[shown.loss.figure], valPrec1: r[shown.prec1.figure] }),
      onProgress: (what, done, all) => {
        if (!beside && steps > 0) progress.stop();
        beside ??= delayedProgress();
        beside.onProgress(what, done, all);
      },
    },
    note: progress.note,
    stop: () => beside ? beside.stop() : progress.stop(),
  };
}

/** How much of a training by several ranks went into what they told each other. */
function spentText({ size, share, seconds, calls, bytes }: NonNullable<RunResult["ranks"]>): string {
  const [percent, megabytes] = [(100 * share).toFixed(1), thousands(Math.round(bytes / 1e6))];
  return `${size} ranks: ${percent} % of the time of training went into communication, waiting for the slowest rank included ` +
    `(${seconds.toFixed(1)} s, ${thousands(calls)} calls, ${megabytes} MB from each).`;
}

/** Opens the adapter, says what there is to work on, and closes it in the end. @param trained on it, one after another. */
export async function withGpu<T>(
  data: Dataset,
  trained: readonly Trained[],
  use: (gpu: Gpu) => Promise<T>,
): Promise<T> {
  const stepFlops = Math.max(...trained.map((one) => iterationFlops(data.source, one)));
  using gpu = await openGpu({ stepFlops });
  describe(gpu, data);
  const result = await use(gpu);
  gpu.check();
  return result;
}

function describe(gpu: Gpu, data: Dataset): void {
  const { kind, description } = gpu.adapter;
  say(`adapter: ${description}${kind === "cpu" ? " (software: it computes on the CPU)" : ""}`);
  const { name, items: { shape }, userSplit } = data.source;
  const { events, rows, given } = sizeOf(data.source);
  const hashed = hashedIdsOf(data.features);
  const features = [
    ...(shape.kind === "mixed" ? [`${thousands(shape.tokens)} tokens`] : []),
    ...(hashed === undefined ? [] : [`ids hashed to 2 x ${thousands(hashed)} of them`]),
    ...(shape.kind === "one-hot" ? ["one-hot"] : shape.width > 0 ? [`${shape.width} features each`] : []),
  ].join(", ");
  say(
    `data: ${name}, ${thousands(userSplit.length)} users, ${thousands(events)} events, ` +
      `${thousands(rows)} displayed items of ${thousands(shape.count)} (${features})` +
      (given > 0 ? `, ${thousands(given)} more clicks, given or further ones on a page` : ""),
  );
}

/**
 * The config of a run that begins, or of the first of several.
 * @param options.init the file that its weights start from. @param options.command as it is recorded.
 */
export async function newConfig(
  gpu: Gpu,
  data: Dataset,
  trained: StagesConfig,
  { shapes, init, command = Deno.args }: {
    readonly shapes: KernelShapes;
    readonly init?: string;
    readonly command?: string[];
  },
): Promise<RunConfig> {
  // Parsed, so that what a resumed run reads back is the same to the byte.
  return v.parse(runConfigSchema, {
    format: FOLDER_FORMATS.run,
    clickgan: version,
    command,
    data: data.config,
    ...trained,
    init: init === undefined ? null : await initOf(init),
    ...await machine(gpu),
    shapes,
  });
}

export async function machine(gpu: Gpu): Promise<Pick<RunConfig, "adapter" | "system">> {
  const driver = await driverVersion(gpu.adapter.description);
  return { adapter: { ...gpu.adapter, driver }, system: Deno.build.target };
}

/** What a run says of the file that it starts from. */
export async function initOf(path: string): Promise<NonNullable<RunConfig["init"]>> {
  return { path, sha256: (await checksum(path)).sha256 };
}

/** The weights that a run starts from, if it does, and the data over their items. @throws UserError where the file has changed. */
export async function reopenInit(
  { init }: RunConfig,
  data: Dataset,
): Promise<{ data: Dataset; init: Weights | undefined }> {
  if (!init) return { data, init: undefined };
  const snapshot = await readSnapshot(init.path);
  if ((await checksum(init.path)).sha256 !== init.sha256) {
    throw new UserError(
      `${init.path}, which the run starts from, has changed since it began. Put the old file back.`,
    );
  }
  const fitted = snapshot.info ? fitDataset(data, snapshot.info, `The model of ${init.path}`) : data;
  return { data: fitted, init: snapshot.weights };
}

export function say(text: string): void {
  console.error(text);
}

/** Says that pages of one item are always ranked right. @throws UserError as {@link notePages}. */
export function sayOfPages(name: string, source: LogSource): void {
  const note = notePages(name, source);
  if (note !== undefined) say(note);
}

export function timestamp(): string {
  return new Date().toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
}

/** What a run was computed by. */
type ComputedBy = Pick<RunConfig, "clickgan" | "adapter" | "system" | "shapes">;

/** Says so where bits may differ from here on. Call it before the device takes the recorded kernel shapes. */
export async function compareMachine(gpu: Gpu, then: ComputedBy): Promise<void> {
  const changes = changesOf(then, { ...await machine(gpu), clickgan: version, shapes: gpu.shapes });
  if (changes.length === 0) return;
  say(
    "The run began elsewhere, or with other kernels. It goes on, but not with the same bits as it would have then. What " +
      "differs:",
  );
  for (const change of changes) say(`  ${change}`);
}

/** What differs, a line each. @param now with the adapter's own kernel shapes */
export function changesOf(then: ComputedBy, now: ComputedBy): string[] {
  const [was, is] = [partsOf(then), partsOf(now)];
  const changes = Object.entries(was).filter(([name, value]) => is[name] !== value)
    .map(([name, value]) => `${name}: ${is[name]} (was ${value})`);
  const { shapes } = then;
  // Of another kind: the kind above says it.
  if (!shapes || !now.shapes || shapes.kind !== now.shapes.kind || areFor(shapes, now.shapes)) return changes;
  return [...changes, `kernels: for ${memoryOf(now.shapes)} (was for ${memoryOf(shapes)})`];
}

function partsOf({ system, adapter, clickgan }: ComputedBy): Readonly<Record<string, string>> {
  return { system, ...adapter, clickgan };
}

function memoryOf({ matrices }: AdapterShapes): string {
  return `matrices in ${matrices ?? "textures"}`;
}

/** Sentences below a table of figures; none for most models. @param weights of a snapshot, if they are at hand. */
export function modelNotes({ loss, positions }: ModelConfig, weights?: Weights): string[] {
  const notes: string[] = [];
  if (loss === "logistic") {
    notes.push(
      "By the logistic loss each item is clicked or not by itself. So its probabilities leave room for several clicks on " +
        "a page, which costs loss where pages have one; the ranking is not touched by that.",
    );
  }
  if (positions > 0) {
    notes.push(
      "What is said of logged pages counts what places add; utilities, and what is recommended by them, are without it.",
    );
    const effects = weights && positionEffects(weights);
    notes.push(
      effects
        ? `What places add to the utility, from the first on: ${effects.map(digits).join(" ")}`
        : "deno task evaluate prints what they add.",
    );
  }
  return notes;
}

function digits(effect: number): string {
  return effect.toFixed(2).replace(/^-0\.00$/, "0.00");
}

/** Trains the settings of a search: one run per setting, like a run of `train`, but without a test. */

import type { Gpu } from "../../gpu/device.ts";
import type { KernelVariants } from "../../gpu/kernel_variants.ts";
import { listModelParameters } from "../../model/user_model.ts";
import { type Dataset, removeItemIds } from "../../data/sets/dataset.ts";
import { findItemIdField } from "../../data/item_ids.ts";
import { countIterationsDone, runStage } from "../../run/training_run.ts";
import type { RunCallbacks, StageRunResult, TrainingRun } from "../../run/training_run.ts";
import { listArguments, NO_ITEM_IDS, type TuneSetting } from "../../tune/space.ts";
import { UserError } from "../../user_error.ts";
import { chooseVariants } from "../../cli/choose_variants.ts";
import { type FollowedRun, runInJob } from "../train/run_jobs.ts";
import { createRunConfig } from "../train/run_stages.ts";
import { parseTrainArguments } from "./tune_options.ts";
import { makeFolder } from "../../files/atomic_write.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import { RunFolder } from "../../run/run_folder.ts";
import { shannonStage } from "../../run/stages.ts";
import type { Criterion } from "../../train/best_records.ts";
import { DivergedError } from "../../train/training_results.ts";
import type { SearchCandidate } from "../../tune/search.ts";
import { readCurve } from "../../tune/tune_folder.ts";

export class TuneRuns {
  /** `data` without the feature "item id"; undefined if `data` has no such feature. */
  readonly #withoutIds: Dataset | undefined;
  /** Kernel variants for each model and batch size. */
  readonly #variants = new Map<string, KernelVariants>();

  /** @param options - `train` arguments for all settings. @param autotune - undefined without --autotune */
  constructor(
    private readonly gpu: Gpu,
    private readonly data: Dataset,
    private readonly options: readonly string[],
    private readonly autotune: boolean | undefined,
    private readonly signal: AbortSignal,
  ) {
    if (findItemIdField(data.features)) this.#withoutIds = removeItemIds(data);
  }

  /** Returns true if a setting's options are valid, and the GPU can bind each weight matrix. */
  accepts(setting: TuneSetting): boolean {
    const most = this.gpu.device.limits.maxStorageBufferBindingSize;
    const data = this.#getData(setting);
    const { shape } = data.source.items;
    try {
      const { model } = parseTrainArguments(this.#arguments(setting), data);
      return listModelParameters(shape, model).every(({ rows, columns }) => 4 * rows * columns <= most);
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  }

  /** Opens the run of a setting. @param path - folder of the run. @param iterations - total iterations */
  async openRun(setting: TuneSetting, path: string, iterations: number): Promise<TrainingRun> {
    const command = this.#arguments(setting);
    const data = this.#getData(setting);
    const { model, training } = parseTrainArguments(command, data);
    const variants = await this.#getVariants(data.source, { model, users: training.batchSize });
    const trained = { model, training: { ...training, iterations }, pretrain: true, adversarial: null };
    const config = await createRunConfig(this.gpu, data, trained, { variants, command });
    return { gpu: this.gpu, data, config, path, init: undefined, signal: this.signal };
  }

  #arguments(setting: TuneSetting): string[] {
    return [...this.options, ...listArguments(setting)];
  }

  /** Returns the data set on which a setting is trained, with or without item ids. */
  #getData(setting: TuneSetting): Dataset {
    return setting[NO_ITEM_IDS] === undefined ? this.data : this.#withoutIds ?? this.data;
  }

  async #getVariants(
    source: Dataset["source"],
    sizes: Parameters<typeof chooseVariants>[3],
  ): Promise<KernelVariants> {
    const key = JSON.stringify([source.items.shape, sizes]);
    const known = this.#variants.get(key);
    if (known) return known;
    const found = await chooseVariants(this.autotune, this.gpu, source, sizes, () => {});
    this.#variants.set(key, found);
    return found;
  }
}

/**
 * Continues the training of a setting. @param inJob - child process; undefined to train in this process.
 * @param limit - seconds. Training ends after this time, but never before its first validation.
 * @throws UserError if files have changed or cannot be written.
 */
export async function trainCandidate(
  common: TrainingRun,
  limit: number,
  candidate: SearchCandidate,
  callbacks: RunCallbacks,
  inJob?: Omit<FollowedRun, "events">,
): Promise<SearchCandidate> {
  const { path, config } = common;
  await makeFolder(path);
  using _run = inJob ? undefined : OwnedFolder.open(path);
  const timeUp = AbortSignal.timeout(Math.ceil(1000 * limit));
  const enough = new AbortController();
  let hasShown = false;
  const endIfLate = () => hasShown && timeUp.aborted && enough.abort();
  timeUp.addEventListener("abort", endIfLate);
  const signal = AbortSignal.any([common.signal, enough.signal]);
  const events: RunCallbacks = {
    ...callbacks,
    onValidation(result) {
      hasShown ||= result.iteration > 0;
      endIfLate();
      callbacks.onValidation?.(result);
    },
  };
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  try {
    const result = await startOrResume({ ...common, signal, untested: true }, events, inJob);
    if (!result) return candidate;
    const { iteration, sessionSeconds } = result;
    return {
      ...candidate,
      iterations: iteration,
      seconds: candidate.seconds + sessionSeconds,
      setUpSeconds: seconds() - sessionSeconds,
      curve: await readCurve(path),
      end: iteration < config.training.iterations && !signal.aborted ? "stopped" : "open",
    };
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    return {
      ...candidate,
      iterations: Math.max(candidate.iterations, error.iteration),
      seconds: candidate.seconds + seconds(),
      curve: await readCurve(path),
      end: "diverged",
    };
  }
}

/** Tests a setting whose training has ended. The verdict compares `best-<criterion>` with baselines. */
export async function testCandidate(
  run: TrainingRun,
  criterion: Criterion,
  events: RunCallbacks,
): Promise<StageRunResult> {
  using _run = OwnedFolder.open(run.path);
  const result = await startOrResume(run, events, undefined, `best-${criterion}`);
  if (!result?.test) throw new Error(`${run.path}: expected test metrics, got none`);
  return result;
}

/** Starts or resumes a run. @returns undefined if the command was interrupted before the start */
async function startOrResume(
  run: TrainingRun,
  events: RunCallbacks,
  inJob?: Omit<FollowedRun, "events">,
  judged = shannonStage.judged,
): Promise<StageRunResult | undefined> {
  const { path, config } = run;
  // If the search was killed, the run may have more iterations than the search recorded.
  const iterations = Math.max(await countIterationsDone(shannonStage, path) ?? 0, config.training.iterations);
  const extended = { ...run, config: shannonStage.withIterations(config, iterations) };
  if (!inJob) return await runStage({ ...shannonStage, judged }, extended, events);
  const [result] = await runInJob(extended, { ...inJob, events });
  return result;
}

/** @throws UserError if a setting's run is missing. @param path - folder of the run. */
export async function expectRun(path: string, { iterations }: SearchCandidate): Promise<void> {
  if (iterations === 0 || await RunFolder.hasState(path)) return;
  throw new UserError(
    `The folder ${path}, a run of this search, is missing. Restore it, or choose another --save-dir.`,
  );
}

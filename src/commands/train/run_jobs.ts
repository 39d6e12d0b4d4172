/** Trains several runs, in turn or in child processes (which run `job.ts`), and shows their progress. */

import { serialize } from "node:v8";
import * as v from "../../schema.ts";
import {
  createJobsProgress,
  decodeMessage,
  FailedJobError,
  JobSlots,
  type JobsProgress,
  runAllSettled,
  runChild,
} from "../../cli/jobs.ts";
import { describeProcess } from "../../cli/launch.ts";
import { RESUME } from "../../cli/arguments.ts";
import { formatThousands } from "../../number_text.ts";
import { DivergedError } from "../../train/training_results.ts";
import type { TrainingStepResult, ValidationResult } from "../../train/training_results.ts";
import { makeFolder } from "../../files/atomic_write.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import { listStages, type StageMetrics, type StageName, type TrainingStage } from "../../run/stages.ts";
import { reportAtStop, type StopRequest } from "../../cli/stop.ts";
import { readSnapshot } from "../../run/snapshot_file.ts";
import type { RunCallbacks, RunContext, StageRunResult, TrainingRun } from "../../run/training_run.ts";
import { continueRun } from "./run_stages.ts";

/** Request to a child process, passed on its standard input. */
export const requestSchema = v.strictObject({
  path: v.string(),
  config: runConfigSchema,
  untested: v.boolean(),
});

/** Message from a child process to the command. */
export type JobMessage =
  | { readonly kind: "step"; readonly stage: StageName; readonly result: TrainingStepResult<StageMetrics> }
  | {
    readonly kind: "validation";
    readonly stage: StageName;
    readonly result: ValidationResult<StageMetrics>;
  }
  | { readonly kind: "diverged"; readonly iteration: number; readonly message: string }
  | { readonly kind: "ended"; readonly results: StageRunResult[] };

export function encodeMessage(message: JobMessage): string {
  return new Uint8Array(serialize(message)).toBase64();
}

/** A run in a child process, and its progress display. */
export interface FollowedRun {
  readonly name: string;
  readonly jobs: JobSlots;
  readonly events?: RunCallbacks;
  readonly progress?: JobsProgress;
  readonly note: (text: string) => void;
  /** True if the command runs no other child process at the same time. */
  readonly alone?: boolean;
}

/**
 * Starts or resumes a run in a child process. The results are bit-identical to those of training in this
 * process. @returns the results of the stages; [] if the command was interrupted before the start
 * @throws FailedJobError, DivergedError
 */
export function runInJob(
  { path, config, signal, untested = false }: Omit<TrainingRun, "gpu" | "data" | "init">,
  { name, jobs, events, progress, note, alone }: FollowedRun,
): Promise<StageRunResult[]> {
  return jobs.run(async () => {
    if (signal.aborted) return [];
    await makeFolder(path);
    const flags = RESUME.replace(/ .*/, "");
    const { args, env } = describeProcess("train", [flags, path], import.meta.resolve("./job.ts"));
    let results: StageRunResult[] = [];
    let diverged: DivergedError | undefined;
    const stages = listStages(config);
    const handleMessage = (message: JobMessage) => {
      jobs.openAll();
      if (message.kind === "ended") results = message.results;
      else if (message.kind === "diverged") {
        const { iteration, message: text } = message;
        diverged = Object.assign(new DivergedError(iteration, ""), { message: text });
      } else {
        const { result, stage } = message;
        if (message.kind === "step") events?.onStep?.(message.result);
        else events?.onValidation?.(message.result);
        const at = stages.findIndex((one) => one.name === stage);
        const total = stages[at]?.iterations(config) ?? 1;
        const text = `${formatThousands(result.iteration)}/${formatThousands(total)}${
          stages.length > 1 ? ` ${stage}` : ""
        }`;
        progress?.update(name, (at + result.iteration / total) / stages.length, text);
      }
    };
    try {
      await runChild({
        process: { args, env: { ...env, ...jobs.cores(alone) } },
        input: JSON.stringify({ path, config, untested }),
        signal,
        onOutput: (line) => handleMessage(decodeMessage(line) as JobMessage),
        onNote: (line) => note(`${name}: ${line}`),
      });
      return results;
    } catch (error) {
      throw diverged ?? error;
    } finally {
      progress?.ended(name);
    }
  });
}

export interface RunOfMany {
  readonly name: string;
  /** Line printed when the run starts, if runs are trained one after another. Default: `name`. */
  readonly title?: string;
  readonly path: string;
  /** Builds the config of the run when the run starts. */
  readonly config: () => RunConfig | Promise<RunConfig>;
  /** Name of the run that provides the initial weights. */
  readonly after?: string;
  readonly report?: (result: StageRunResult, stage: TrainingStage) => void;
}

/**
 * Trains runs: in this process if `jobs` is 1, otherwise in up to `jobs` child processes at the same time.
 * @param context - used only to train in this process. @param resumeHint - see {@link runInJobs}.
 * @returns the results in the order of the runs. Results of unfinished runs are incomplete or missing.
 */
export async function runAll(
  runs: readonly RunOfMany[],
  jobs: number,
  context: RunContext,
  stop: StopRequest,
  resumeHint: string,
): Promise<StageRunResult[][]> {
  if (jobs > 1 && runs.length > 0) return await runInJobs(runs, jobs, stop, resumeHint);
  const all: StageRunResult[][] = [];
  for (const { name, title = name, path, config: make, after, report } of runs) {
    if (stop.signal.aborted) break;
    console.error(title);
    const config = await make();
    const init = after && config.init ? (await readSnapshot(config.init.path)).weights : context.init;
    await makeFolder(path);
    using _folder = OwnedFolder.open(path);
    all.push(await continueRun({ ...context, init, path, config }, stop, report));
  }
  return all;
}

/**
 * Trains up to `count` runs at the same time. A run starts only after the file of its initial weights exists.
 * @param resumeHint - advice on resuming, for the error message
 * @returns the results in the order of the runs. Results of unfinished runs are incomplete.
 * @throws UserError that names failed runs, after all runs have ended
 */
async function runInJobs(
  runs: readonly RunOfMany[],
  count: number,
  stop: StopRequest,
  resumeHint: string,
): Promise<StageRunResult[][]> {
  const jobs = new JobSlots(Math.min(count, runs.length));
  using progress = createJobsProgress(runs.length);
  using _reporting = reportAtStop(stop, progress.note);
  const done = new Map<string, Promise<StageRunResult[]>>();
  const one = async ({ name, path, config: make, after = "", report }: RunOfMany) => {
    try {
      await done.get(after);
    } catch (cause) {
      throw new FailedJobError(`no initial weights, because ${after} has failed`, { cause });
    }
    if (stop.signal.aborted) return [];
    const config = await make();
    const { note } = progress;
    const results = await runInJob({ path, config, signal: stop.signal }, { name, jobs, progress, note });
    for (const [k, stage] of listStages(config).entries()) {
      const result = results[k];
      if (!result?.test) continue;
      progress.note(name);
      report?.(result, stage);
    }
    return results;
  };
  for (const run of runs) done.set(run.name, one(run));
  return await runAllSettled(done, resumeHint);
}

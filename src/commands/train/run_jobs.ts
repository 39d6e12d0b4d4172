/** A run in a process of its own, begun and followed by the command that has many of them. `job.ts` is the other side. */

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
import {
  DivergedError,
  type TrainingStepResult,
  type ValidationResult,
} from "../../train/training_results.ts";
import { makeFolder } from "../../files/atomic_write.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import { listStages, type StageMetrics, type StageName, type TrainingStage } from "../../run/stages.ts";
import { reportAtStop, type StopRequest } from "../../cli/stop.ts";
import type { RunCallbacks, StageRunResult, TrainingRun } from "../../run/training_run.ts";

/** What a child reads. */
export const requestSchema = v.strictObject({
  path: v.string(),
  config: runConfigSchema,
  untested: v.boolean(),
});

/** What a child tells. */
export type JobMessage =
  | { readonly kind: "step"; readonly stage: StageName; readonly figures: TrainingStepResult<StageMetrics> }
  | {
    readonly kind: "validation";
    readonly stage: StageName;
    readonly figures: ValidationResult<StageMetrics>;
  }
  | { readonly kind: "diverged"; readonly iteration: number; readonly message: string }
  | { readonly kind: "ended"; readonly results: StageRunResult[] };

export function encodeMessage(message: JobMessage): string {
  return new Uint8Array(serialize(message)).toBase64();
}

/** How a run in a child is called, and who hears of it. */
export interface FollowedRun {
  readonly name: string;
  readonly jobs: JobSlots;
  readonly events?: RunCallbacks;
  readonly progress?: JobsProgress;
  readonly note: (text: string) => void;
  /** Whether it has the machine to itself. */
  readonly alone?: boolean;
}

/**
 * Begins a run in a process of its own, or goes on with it there: the same bits as in this one.
 * @returns its stages' results; none where it was not begun as the command was told to end before
 * @throws FailedJobError, DivergedError
 */
export function runInJob(
  { path, config, signal, untested = false }: Omit<TrainingRun, "gpu" | "data" | "init">,
  { name, jobs, events, progress, note, alone }: FollowedRun,
): Promise<StageRunResult[]> {
  return jobs.inPlace(async () => {
    if (signal.aborted) return [];
    await makeFolder(path);
    const flags = RESUME.replace(/ .*/, "");
    const { args, env } = describeProcess("train", [flags, path], import.meta.resolve("./job.ts"));
    let results: StageRunResult[] = [];
    let diverged: DivergedError | undefined;
    const stages = listStages(config);
    const hear = (message: JobMessage) => {
      jobs.warmed();
      if (message.kind === "ended") results = message.results;
      else if (message.kind === "diverged") {
        const { iteration, message: text } = message;
        diverged = Object.assign(new DivergedError(iteration, ""), { message: text });
      } else {
        const { figures, stage } = message;
        if (message.kind === "step") events?.onStep?.(message.figures);
        else events?.onValidation?.(message.figures);
        const at = stages.findIndex((one) => one.name === stage);
        const total = stages[at]?.iterations(config) ?? 1;
        const text = `${formatThousands(figures.iteration)}/${formatThousands(total)}${
          stages.length > 1 ? ` ${stage}` : ""
        }`;
        progress?.tell(name, (at + figures.iteration / total) / stages.length, text);
      }
    };
    try {
      await runChild({
        process: { args, env: { ...env, ...jobs.cores(alone) } },
        input: JSON.stringify({ path, config, untested }),
        signal,
        onOutput: (line) => hear(decodeMessage(line) as JobMessage),
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

/** One of several runs. */
export interface RunOfMany {
  readonly name: string;
  readonly path: string;
  /** Asked for when it begins. */
  readonly config: () => RunConfig | Promise<RunConfig>;
  /** The run from whose weights it begins, by its name, where it is one of these. */
  readonly after?: string;
  /** Told of each stage of it when it has ended. */
  readonly report?: (result: StageRunResult, stage: TrainingStage) => void;
}

/**
 * Runs side by side, each of which begins as soon as there is a place and what it begins from.
 * @param goOn how it is begun again where some failed
 * @returns the results of each in their order; of one that did not come to its end, as far as they are there. @throws UserError naming runs that failed, when all others have ended
 */
export async function runInJobs(
  runs: readonly RunOfMany[],
  count: number,
  stop: StopRequest,
  goOn: string,
): Promise<StageRunResult[][]> {
  const jobs = new JobSlots(Math.min(count, runs.length));
  using progress = createJobsProgress(runs.length);
  using _told = reportAtStop(stop, progress.note);
  const done = new Map<string, Promise<StageRunResult[]>>();
  const one = async ({ name, path, config: make, after = "", report }: RunOfMany) => {
    try {
      await done.get(after);
    } catch (cause) {
      throw new FailedJobError(`it would begin from ${after}`, { cause });
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
  return await runAllSettled(done, goOn);
}

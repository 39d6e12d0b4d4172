/** Trains a setting further: an ordinary run, which is not tested. */

import { UserError } from "../user_error.ts";
import { makeFolder } from "../run/files/atomic_write.ts";
import { OwnedFolder } from "../run/files/owned_folder.ts";
import type { RunConfig } from "../run/run_config.ts";
import { expectUnbegun, RunFolder } from "../run/run_folder.ts";
import { expectResumable } from "../run/run_state.ts";
import { shannonStage } from "../run/stages.ts";
import {
  resumeStage,
  type RunContext,
  type RunEvents,
  type RunResult,
  startStage,
} from "../run/training_run.ts";
import type { Criterion } from "../train/best_records.ts";
import { DivergedError } from "../train/results.ts";
import type { Candidate } from "./standing.ts";
import { readCurve } from "./tune_folder.ts";

/** How far, and how long, a setting is trained. */
export interface Extent {
  /** Iterations and all else of its run. */
  readonly config: RunConfig;
  /** It is cut short after so many, but not before its first validation. */
  readonly seconds: number;
}

/**
 * Trains a setting further.
 * @param common its signal ends the run as well. @param path the run's folder; it begins where nothing was saved in it.
 * @throws UserError for files that are not what they were, or cannot be written.
 */
export async function trainCandidate(
  common: RunContext,
  path: string,
  { config, seconds: limit }: Extent,
  candidate: Candidate,
  criterion: Criterion,
  told: RunEvents,
): Promise<Candidate> {
  await makeFolder(path);
  using _run = OwnedFolder.open(path);
  using clock = new Clock(limit);
  const context = { ...common, signal: AbortSignal.any([common.signal, clock.signal]) };
  const events: RunEvents = {
    ...told,
    onValidation(result) {
      if (result.iteration > 0) clock.allow();
      told.onValidation?.(result);
    },
  };
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  try {
    const { iteration, sessionSeconds } = await goOn({ ...context, untested: true }, path, config, events);
    const cut = context.signal.aborted;
    return {
      ...candidate,
      iterations: iteration,
      seconds: candidate.seconds + sessionSeconds,
      setUpSeconds: seconds() - sessionSeconds,
      curve: await readCurve(path, criterion),
      end: iteration < config.training.iterations && !cut ? "stopped" : "open",
    };
  } catch (error) {
    if (!(error instanceof DivergedError)) throw error;
    return {
      ...candidate,
      iterations: Math.max(candidate.iterations, error.iteration),
      seconds: candidate.seconds + seconds(),
      curve: await readCurve(path, criterion),
      end: "diverged",
    };
  }
}

/** Ends a run when its time is up and it has shown something. */
class Clock implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  #late = false;
  #allowed = false;

  constructor(seconds: number) {
    this.#timer = setTimeout(() => this.#end({ late: true }), Math.ceil(1000 * seconds));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on the run may end. */
  allow(): void {
    this.#end({ allowed: true });
  }

  #end({ late = this.#late, allowed = this.#allowed }): void {
    this.#late = late;
    this.#allowed = allowed;
    if (late && allowed) this.#controller.abort();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** The test figures of a setting that is trained no further. @param config with the iterations that are done. */
export async function testCandidate(
  context: RunContext,
  path: string,
  config: RunConfig,
  events: RunEvents,
): Promise<Required<Pick<RunResult, "test" | "baselines">>> {
  using _run = OwnedFolder.open(path);
  const { test, baselines } = await goOn(context, path, config, events);
  if (!test || !baselines) throw new Error(`${path}: a run that had ended was not tested`);
  return { test, baselines };
}

/** Begins the run, or goes on with it. */
async function goOn(
  context: RunContext,
  path: string,
  config: RunConfig,
  events: RunEvents,
): Promise<RunResult> {
  if (!await RunFolder.hasState(path)) {
    await expectUnbegun(path, Object.keys(shannonStage.columns));
    return await startStage(shannonStage, context, path, config, events);
  }
  const done = await expectResumable(path);
  // A search that was killed may have left a run that is ahead of what was written down.
  const { training } = config;
  const iterations = Math.max(done, training.iterations);
  return await resumeStage(
    shannonStage,
    context,
    path,
    { ...config, training: { ...training, iterations } },
    events,
  );
}

/** @throws UserError where the run of a setting is gone. @param path its folder. */
export async function expectRun(path: string, { iterations }: Candidate): Promise<void> {
  if (iterations === 0 || await RunFolder.hasState(path)) return;
  throw new UserError(
    `Expected the run of a setting in ${path}, found none. Put the folder back, or choose another --save-dir.`,
  );
}

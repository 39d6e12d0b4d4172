/** Trains a setting further: an ordinary run, which is not tested. */

import { UserError } from "../user_error.ts";
import { makeFolder } from "../run/files/atomic_write.ts";
import { OwnedFolder } from "../run/files/owned_folder.ts";
import { RunFolder } from "../run/run_folder.ts";
import { shannonStage } from "../run/stages.ts";
import { iterationsDone, type Run, type RunEvents, type RunResult, runStage } from "../run/training_run.ts";
import type { Criterion } from "../train/best_records.ts";
import { DivergedError } from "../train/results.ts";
import type { Candidate } from "./standing.ts";
import { readCurve } from "./tune_folder.ts";

/**
 * Trains a setting further.
 * @param common its signal ends the run as well; its path is the run's folder, which begins where nothing was saved in it.
 * @param limit seconds after which it is cut short, but not before its first validation.
 * @throws UserError for files that are not what they were, or cannot be written.
 */
export async function trainCandidate(
  common: Run,
  limit: number,
  candidate: Candidate,
  criterion: Criterion,
  told: RunEvents,
): Promise<Candidate> {
  const { path, config } = common;
  await makeFolder(path);
  using _run = OwnedFolder.open(path);
  using clock = new Clock(limit);
  const signal = AbortSignal.any([common.signal, clock.signal]);
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
    const { iteration, sessionSeconds } = await goOn({ ...common, signal, untested: true }, events);
    return {
      ...candidate,
      iterations: iteration,
      seconds: candidate.seconds + sessionSeconds,
      setUpSeconds: seconds() - sessionSeconds,
      curve: await readCurve(path, criterion),
      end: iteration < config.training.iterations && !signal.aborted ? "stopped" : "open",
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

/** The test figures of a setting that is trained no further. @param run its config has the iterations that are done. */
export async function testCandidate(
  run: Run,
  events: RunEvents,
): Promise<Required<Pick<RunResult, "test" | "baselines">>> {
  using _run = OwnedFolder.open(run.path);
  const { test, baselines } = await goOn(run, events);
  if (!test || !baselines) throw new Error(`${run.path}: a run that had ended was not tested`);
  return { test, baselines };
}

/** Begins the run, or goes on with it. */
async function goOn(run: Run, events: RunEvents): Promise<RunResult> {
  const { path, config } = run;
  // A search that was killed may have left a run that is ahead of what was written down.
  const iterations = Math.max(await iterationsDone(shannonStage, path) ?? 0, config.training.iterations);
  return await runStage(
    shannonStage,
    { ...run, config: shannonStage.withIterations(config, iterations) },
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

/** Trains a setting further: an ordinary run, which is not tested. */

import { UserError } from "../user_error.ts";
import { makeFolder } from "../files/atomic_write.ts";
import { OwnedFolder } from "../files/owned_folder.ts";
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

/**
 * Trains a setting up to the iterations of its config, or until the context's signal ends it.
 * @param path the folder of its run, which begins where nothing was saved in it.
 * @throws UserError for files that are not what they were, or cannot be written.
 */
export async function trainCandidate(
  context: RunContext,
  path: string,
  config: RunConfig,
  candidate: Candidate,
  criterion: Criterion,
  events: RunEvents,
): Promise<Candidate> {
  await makeFolder(path);
  using _run = OwnedFolder.open(path);
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

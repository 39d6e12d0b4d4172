/** Services of the screens Exercises, Ladders and Self-test. This script is loaded at the first call of one of its services. */

import { createAnswerStep, type Exercise, getSolution } from "../../../exercise/exercise.ts";
import { exercises } from "../../../exercise/exercises.ts";
import { checkAll, parseSize, raceExercise } from "../../../exercise/check_exercise.ts";
import type { Ladder } from "../../../ladder/check_ladder.ts";
import { ladders, runLadder, summarizeLadder } from "../../../ladder/ladders.ts";
import type { LadderMeasurement } from "../../../profile/bench_report.ts";
import type { KindFinding, SelftestResult } from "../../../selftest/finding.ts";
import { runSelftest, type SelftestOptions } from "../../../selftest/run.ts";
import { UserError } from "../../../user_error.ts";
import { type LabWorker, reportProgress, type ServiceCall } from "../lab_worker.ts";

/** Creates the services. To add a service, write a function in this file, and add a line to `createKernelServices`. */
export function createKernelServices(worker: LabWorker) {
  return {
    exercises: exercisesService(worker),
    ladders: laddersService(worker),
    selftest: selftestService(worker),
  };
}

export interface ExerciseSummary extends Pick<Exercise, "name" | "what" | "chapter" | "starter"> {
  /** WGSL of the shipped kernel, which solves the exercise. */
  readonly solution: string;
  /** Title of the exercise's ladder. `size` is the default size for timing an answer, e.g. "2560x10". */
  readonly title: string;
  readonly size: string;
}

export interface ExerciseRequest {
  readonly exercise: string;
  readonly text: string;
  /** Size at which to time the answer, in the format of the option --size. */
  readonly size: string;
  /** Number of rounds in which the answer and the ladder are timed. With 0 rounds, the answer is only checked. */
  readonly rounds: number;
}

export interface SolvedExercise {
  readonly cases: readonly string[];
  /** Sentence about the answer's numbers of invocations and workgroups. */
  readonly started: string;
  /** Times of the ladder and the answer; absent for an answer that was only checked. */
  readonly times?: LadderMeasurement;
}

/** Creates the service that checks and times an answer like `deno task exercise`. */
function exercisesService(worker: LabWorker) {
  return {
    list: (): readonly ExerciseSummary[] => exercises.map(summarizeExercise),

    /** Checks and times an answer. @throws UserError that describes what is wrong with the answer */
    check(
      { exercise: name, text, size: sizeText, rounds }: ExerciseRequest,
      call: ServiceCall<string>,
    ): Promise<SolvedExercise> {
      return worker.runExclusively("An exercise is running", call.signal, async () => {
        const exercise = exercises.find((one) => one.name === name);
        if (!exercise) throw new UserError(`Expected the name of an exercise, got ${name}.`);
        const size = parseSize(exercise, sizeText);
        const file = getFileName(name);
        const step = createAnswerStep(exercise, file, text);
        const onProgress = reportProgress(call);
        const gpu = await worker.gpu();
        const { cases, started } = await checkAll(gpu, exercise, step, file, { size, onProgress });
        if (rounds === 0) return { cases, started };
        const results = await raceExercise(gpu, exercise, step, { size, onProgress, rounds });
        return { cases, started, times: summarizeLadder(exercise.ladder, size, results) };
      });
    },
  };
}

/** Returns the file name of an answer. The compiler's messages begin with it. */
function getFileName(exercise: string): string {
  return `${exercise.replaceAll("-", "_")}.wgsl`;
}

function summarizeExercise(exercise: Exercise): ExerciseSummary {
  const { name, what, chapter, starter, ladder: { title, size } } = exercise;
  const solution = getSolution(exercise).kernel.source;
  return { name, what, chapter, starter, solution, title, size: size.join("x") };
}

export interface LadderSummary extends Pick<Ladder, "name" | "title" | "size"> {
  readonly steps: number;
}

export interface RaceRequest {
  readonly ladder: string;
  readonly rounds: number;
}

function laddersService(worker: LabWorker) {
  return {
    list: (): readonly LadderSummary[] =>
      ladders.map(({ name, title, size, steps }) => ({ name, title, size, steps: steps.length })),

    /** Checks the steps of a ladder, and times the correct steps in alternation. */
    run({ ladder: name, rounds }: RaceRequest, call: ServiceCall<string>): Promise<LadderMeasurement> {
      return worker.runExclusively("A ladder is running", call.signal, async () => {
        const ladder = ladders.find((ladder) => ladder.name === name);
        if (!ladder) throw new UserError(`Expected the name of a ladder, got ${name}.`);
        const onProgress = reportProgress(call);
        const results = await runLadder(await worker.gpu(), ladder, { rounds, onProgress });
        return summarizeLadder(ladder, ladder.size, results);
      });
    },
  };
}

/** Request to run those cases of the self-test whose name contains `only`; all cases for "". */
export type SelftestRequest =
  & Required<Pick<SelftestOptions, "kinds" | "only">>
  & Pick<SelftestOptions, "leftOut">;

export type SelftestProgress =
  | { readonly kind: "case"; readonly name: string; readonly number: number; readonly of: number }
  | { readonly kind: "finding"; readonly finding: KindFinding };

function selftestService(worker: LabWorker) {
  return {
    /** Runs the cases on separate devices. After a cancellation, the run ends with the current case. */
    run(
      { kinds, only, leftOut }: SelftestRequest,
      { progress, signal }: ServiceCall<SelftestProgress>,
    ): Promise<SelftestResult> {
      return worker.runExclusively(
        "A self-test is running",
        signal,
        () =>
          runSelftest((options) => worker.open(options), {
            kinds,
            only,
            leftOut,
            onCase: ({ name, kind, number, of }) =>
              progress({ kind: "case", name: `${name}, ${kind} variants`, number, of }),
            onFinding: (finding) => progress({ kind: "finding", finding }),
            stopped: () => signal.aborted,
          }),
      );
    },
  };
}

/**
 * The services that check and race kernels, of the screens Exercises, Ladders and Self-test: a script of its own, which the
 * worker loads when one of them is asked for.
 */

import { createAnswerStep, type Exercise, getSolution } from "../../../exercise/exercise.ts";
import { exercises } from "../../../exercise/exercises.ts";
import { checkAll, parseSize, raceExercise } from "../../../exercise/check_exercise.ts";
import type { Ladder } from "../../../ladder/check_ladder.ts";
import { ladders, runLadder, summarizeLadder } from "../../../ladder/ladders.ts";
import type { LadderFigures } from "../../../profile/bench_report.ts";
import type { KindFinding, SelftestResult } from "../../../selftest/finding.ts";
import { runSelftest, type SelftestOptions } from "../../../selftest/run.ts";
import { UserError } from "../../../user_error.ts";
import { type LabWorker, reportProgress, type ServiceCall } from "../lab_worker.ts";

/** By name. Another one is a function here and a line. */
export function createKernelServices(worker: LabWorker) {
  return {
    exercises: exercisesService(worker),
    ladders: laddersService(worker),
    selftest: selftestService(worker),
  };
}

export interface ExerciseSummary extends Pick<Exercise, "name" | "what" | "chapter" | "starter"> {
  /** The text of the shipped kernel. */
  readonly solution: string;
  /** What it is timed beside, and at which size, "2560x10". */
  readonly title: string;
  readonly size: string;
}

export interface ExerciseRequest {
  readonly exercise: string;
  readonly text: string;
  /** As `--size` takes it. */
  readonly size: string;
  /** How often it is timed beside its ladder; 0 to check it alone. */
  readonly rounds: number;
}

/** Of an answer that is right. */
export interface SolvedExercise {
  /** What it is right at. */
  readonly cases: readonly string[];
  /** How much it starts, in words. */
  readonly started: string;
  /** Absent where it was checked alone. */
  readonly figures?: LadderFigures;
}

/** The checker and the race of `deno task exercise`, for a text that the page has. */
function exercisesService(worker: LabWorker) {
  return {
    list: (): readonly ExerciseSummary[] => exercises.map(summarizeExercise),

    /** @throws UserError that says what is wrong with the answer. */
    take(
      { exercise: name, text, size: asked, rounds }: ExerciseRequest,
      call: ServiceCall<string>,
    ): Promise<SolvedExercise> {
      return worker.alone("An exercise is being checked", call.signal, async () => {
        const exercise = exercises.find((one) => one.name === name);
        if (!exercise) throw new UserError(`There is no exercise ${name}.`);
        const size = parseSize(exercise, asked);
        const file = getFileName(name);
        const step = createAnswerStep(exercise, file, text);
        const onProgress = reportProgress(call);
        const gpu = await worker.gpu();
        const { cases, started } = await checkAll(gpu, exercise, step, file, { size, onProgress });
        if (rounds === 0) return { cases, started };
        const results = await raceExercise(gpu, exercise, step, { size, onProgress, rounds });
        return { cases, started, figures: summarizeLadder(exercise.ladder, size, results) };
      });
    },
  };
}

/** What an answer is called: messages of the compiler begin with it. */
function getFileName(exercise: string): string {
  return `${exercise.replaceAll("-", "_")}.wgsl`;
}

function summarizeExercise(exercise: Exercise): ExerciseSummary {
  const { name, what, chapter, starter, ladder: { title, size } } = exercise;
  return {
    name,
    what,
    chapter,
    starter,
    solution: getSolution(exercise).kernel.source,
    title,
    size: size.join("x"),
  };
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

    /** Checks the steps of a ladder, and times those that are right in turn. */
    race({ ladder: name, rounds }: RaceRequest, call: ServiceCall<string>): Promise<LadderFigures> {
      return worker.alone("A ladder is being climbed", call.signal, async () => {
        const ladder = ladders.find((ladder) => ladder.name === name);
        if (!ladder) throw new UserError(`There is no ladder ${name}.`);
        const onProgress = reportProgress(call);
        const results = await runLadder(await worker.gpu(), ladder, { rounds, onProgress });
        return summarizeLadder(ladder, ladder.size, results);
      });
    },
  };
}

/** `only` is "" for all. */
export type SelftestRequest =
  & Required<Pick<SelftestOptions, "kinds" | "only">>
  & Pick<SelftestOptions, "leftOut">;

export type SelftestProgress =
  /** A case begins. */
  | { readonly kind: "case"; readonly name: string; readonly number: number; readonly of: number }
  /** What came of one. */
  | { readonly kind: "finding"; readonly finding: KindFinding };

function selftestService(worker: LabWorker) {
  return {
    /** Runs all cases on devices of its own. A cancelled run ends after the case that is under way. */
    run(
      { kinds, only, leftOut }: SelftestRequest,
      { progress, signal }: ServiceCall<SelftestProgress>,
    ): Promise<SelftestResult> {
      return worker.alone(
        "A self-test is under way",
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

/** The service of the screen Exercises: the checker and the race of `deno task exercise`, for a text that the page has. */

import { stepOf } from "../../../selftest/exercise/answer.ts";
import { type Exercise, solutionOf } from "../../../selftest/exercise/exercise.ts";
import { exercises } from "../../../selftest/exercise/exercises.ts";
import { checkAll, race, sizeOf, startedText } from "../../../selftest/exercise/check.ts";
import { ladderFigures } from "../../../selftest/ladder/run.ts";
import type { LadderFigures } from "../../../selftest/profile/bench_report.ts";
import { UserError } from "../../../user_error.ts";
import { expectWanted, type LabWorker } from "../lab_worker.ts";
import type { Call } from "../protocol.ts";

export interface ExerciseFacts {
  readonly name: string;
  readonly what: string;
  /** Of the course, in kernels/course. */
  readonly chapter: string;
  readonly starter: string;
  /** The text of the shipped kernel. */
  readonly solution: string;
  /** What it is timed beside, and at which size, "2560x10". */
  readonly title: string;
  readonly size: string;
}

export interface TakeRequest {
  readonly exercise: string;
  readonly text: string;
  /** As `--size` takes it. */
  readonly size: string;
  /** How often it is timed beside its ladder; 0 to check it alone. */
  readonly rounds: number;
}

/** Of an answer that is right. */
export interface Taken {
  /** What it is right at. */
  readonly cases: readonly string[];
  /** How much it starts, in words. */
  readonly started: string;
  /** Absent where it was checked alone. */
  readonly figures?: LadderFigures;
}

export function exercisesService(worker: LabWorker) {
  return {
    list: (): readonly ExerciseFacts[] => exercises.map(factsOf),

    /** @throws UserError that says what is wrong with the answer. */
    take(
      { exercise: name, text, size: asked, rounds }: TakeRequest,
      { progress, signal }: Call<string>,
    ): Promise<Taken> {
      return worker.alone("An exercise is being checked", signal, async () => {
        const exercise = exercises.find((one) => one.name === name);
        if (!exercise) throw new UserError(`There is no exercise ${name}.`);
        const size = sizeOf(exercise, asked);
        const file = fileOf(name);
        const step = stepOf(exercise, file, text);
        const onProgress = (text: string) => {
          expectWanted(signal);
          progress(text);
        };
        const gpu = await worker.gpu();
        const cases = await checkAll(gpu, exercise, step, file, { size, onProgress });
        const started = startedText(exercise, step, size);
        if (rounds === 0) return { cases, started };
        const results = await race(gpu, exercise, step, { size, onProgress, rounds });
        return { cases, started, figures: ladderFigures(exercise.ladder, size, results) };
      });
    },
  };
}

/** What an answer is called: messages of the compiler begin with it. */
function fileOf(exercise: string): string {
  return `${exercise.replaceAll("-", "_")}.wgsl`;
}

function factsOf(exercise: Exercise): ExerciseFacts {
  const { name, what, chapter, starter, ladder: { title, size } } = exercise;
  return {
    name,
    what,
    chapter,
    starter,
    solution: solutionOf(exercise).kernel.source,
    title,
    size: size.join("x"),
  };
}

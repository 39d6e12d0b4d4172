/** Functions that the lab's screens Exercises, Ladders, Scratchpad and Self-test call in the worker. */

import { createRandomStream } from "../../../data/random.ts";
import { fillStarter } from "../../../exercise/answers.ts";
import { createAnswerStep, type Exercise } from "../../../exercise/exercise.ts";
import { exercises } from "../../../exercise/exercises.ts";
import { checkAll, parseSize, raceExercise } from "../../../exercise/check_exercise.ts";
import { getConstant } from "../../../gpu/kernel.ts";
import { measureAccessedBytes } from "../../../kernel_analysis/access_counts.ts";
import type { Ladder } from "../../../ladder/check_ladder.ts";
import { ladders, runLadder } from "../../../ladder/ladders.ts";
import type { LadderMeasurement, Timing } from "../../../profile/bench_report.ts";
import { listArrays, parseOwnKernel, runKernel } from "../../../profile/run_kernel.ts";
import type { DeclaredArray, KernelArray } from "../../../profile/run_kernel.ts";
import type { KindFinding, SelftestResult } from "../../../selftest/finding.ts";
import { runSelftest, type SelftestOptions } from "../../../selftest/run.ts";
import { UserError } from "../../../user_error.ts";
import { type LabWorker, type MeasurementProgress, reportProgress, type ServiceCall } from "../lab_worker.ts";

/** Creates the services. For a new service, write a function in this file and call it here. */
export function createKernelServices(worker: LabWorker) {
  return {
    exercises: exercisesService(worker),
    ladders: laddersService(worker),
    scratchpad: scratchpadService(worker),
    selftest: selftestService(worker),
  };
}

export interface ExerciseSummary extends Pick<Exercise, "name" | "what" | "chapter" | "starter"> {
  /** WGSL text of a simple, correct kernel. */
  readonly solution: string;
  readonly title: string;
  /** Default of {@link ExerciseRequest.size}. */
  readonly size: string;
}

export interface ExerciseRequest {
  readonly exercise: string;
  readonly text: string;
  /** Dimensions of the input with which the answer is timed: "2560x10" means 2560 x 10. */
  readonly size: string;
  /** Timing rounds for the user's kernel and the reference kernels; 0 to check the kernel without timing. */
  readonly rounds: number;
}

export interface SolvedExercise {
  readonly cases: readonly string[];
  /** A sentence that says how many invocations and workgroups were started to run the answer. */
  readonly started: string;
  /** Times of the reference kernels and of the user's kernel; undefined if the kernel was not timed. */
  readonly times?: LadderMeasurement;
}

/** Creates the service that checks and times an answer (the user's kernel), as `deno task exercise` does. */
function exercisesService(worker: LabWorker) {
  return {
    list: (): readonly ExerciseSummary[] => exercises.map(summarizeExercise),

    /** Checks and times the user's kernel. @throws UserError with the first error of the kernel */
    check(
      { exercise: name, text, size: sizeText, rounds }: ExerciseRequest,
      call: ServiceCall<MeasurementProgress>,
    ): Promise<SolvedExercise> {
      return worker.runExclusively("An exercise is running", call.signal, async () => {
        const exercise = exercises.find((one) => one.name === name);
        if (!exercise) throw new UserError(`Expected the name of an exercise, got ${name}.`);
        const size = parseSize(exercise, sizeText);
        const file = `${name}.wgsl`;
        const step = createAnswerStep(exercise, file, text);
        const onProgress = reportProgress(call);
        const gpu = await worker.gpu();
        const { cases, started } = await checkAll(gpu, exercise, step, file, { size, onProgress });
        if (rounds === 0) return { cases, started };
        const steps = await raceExercise(gpu, exercise, step, { size, onProgress, rounds });
        return { cases, started, times: { ladder: exercise.ladder.name, size, steps } };
      });
    },
  };
}

function summarizeExercise(exercise: Exercise): ExerciseSummary {
  const { name, what, chapter, starter, ladder: { title, size } } = exercise;
  const solution = fillStarter(exercise);
  return { name, what, chapter, starter, solution, title, size: size.join("x") };
}

/** Contents of the form fields: WGSL text, one text per array, and invocations such as "16 x 16". */
export interface ScratchRequest {
  readonly text: string;
  readonly arrays: Readonly<Record<string, string>>;
  readonly invocations: string;
}

export interface ScratchResult {
  /** Length and numbers of each output. For a long output, only the first and last numbers are listed. */
  readonly outputs: readonly {
    readonly name: string;
    readonly length: number;
    readonly values: readonly number[];
  }[];
  /** Warnings, one for each array that is shorter than the range of the kernel's accesses. */
  readonly short: readonly string[];
  /** Number of workgroups along x and y; `workgroup` has the number of invocations per workgroup. */
  readonly grid: readonly [x: number, y: number];
  readonly workgroup: readonly [x: number, y: number];
  /** Time of a dispatch in microseconds. */
  readonly time: Pick<Timing, "median" | "lower" | "upper" | "error">;
}

/** Largest number of values that are shown per output: half of them from its start, half from its end. */
const SHOWN_VALUES = 512;

function scratchpadService(worker: LabWorker) {
  return {
    /** Returns the arrays that a kernel declares, in the order of its text. */
    arrays: (text: string): readonly DeclaredArray[] => listArrays(text),

    /** Runs and times a kernel. @throws UserError for an error in the kernel or the data */
    run(
      { text, arrays, invocations }: ScratchRequest,
      { signal }: ServiceCall<never>,
    ): Promise<ScratchResult> {
      return worker.runExclusively("A kernel is running", signal, async () => {
        const gpu = await worker.gpu();
        const declared = listArrays(text);
        const inputs = declared.filter(({ isOutput }) => !isOutput).map((array) =>
          [array.name, parseNumbers(array, arrays[array.name])] as const
        );
        const outputs = declared.filter(({ isOutput }) => isOutput).map(({ name }) =>
          [name, parseCount(`length of ${name}`, arrays[name])] as const
        );
        const [x = NaN, ...rest] = invocations.split("x").map((count) => parseCount("invocations", count));
        const times: ScratchResult["time"][] = [];
        const found = await runKernel(gpu, text, {
          ...{ inputs: Object.fromEntries(inputs), outputs: Object.fromEntries(outputs) },
          ...{ invocations: [x, ...rest] as [number], onTime: (time) => times.push(time) },
        }).catch((error: unknown) => {
          // If the device is not lost, the cause is the kernel or its data.
          if (!(error instanceof Error) || /\blost\b/i.test(error.message)) throw error;
          throw new UserError(error.message);
        });
        const shown = Object.entries(found).map(([name, values]) => ({
          ...{ name, length: values.length },
          values: values.length <= SHOWN_VALUES
            ? Array.from(values)
            : [...values.slice(0, SHOWN_VALUES / 2), ...values.slice(-SHOWN_VALUES / 2)],
        }));
        const own = [...inputs, ...Object.entries(found)];
        const [y = 1] = rest;
        const kernel = parseOwnKernel(text);
        const workgroup = [getConstant(kernel, "WORKGROUP"), getConstant(kernel, "WORKGROUP_Y")] as const;
        const grid = [Math.ceil(x / workgroup[0]), Math.ceil(y / workgroup[1])] as const;
        return {
          ...{ outputs: shown, grid, workgroup },
          short: listShortArrays(text, own, { x, y, grid, workgroup }),
          time: times[0] ?? { median: NaN, lower: NaN, upper: NaN },
        };
      });
    },
  };
}

function listShortArrays(
  text: string,
  arrays: readonly (readonly [name: string, data: KernelArray])[],
  { x, y, grid, workgroup }: Pick<ScratchResult, "grid" | "workgroup"> & { x: number; y: number },
): string[] {
  const needed = measureAccessedBytes(text, {
    workgroup,
    grid: [...grid, 1],
    ...{ sizes: [], chunks: 0, header: { x, y } },
    bytes: Object.fromEntries(arrays.map(([name, { byteLength }]) => [name, byteLength])),
  });
  return arrays.flatMap(([name, { length }]) => {
    const most = (needed.get(name) ?? 0) / 4;
    return most <= length ? [] : [
      `${name} has ${length} numbers, but the kernel accesses ${most}: an access past the end reads ` +
      "an undefined number, and may change another element.",
    ];
  });
}

/** Largest number of elements per array. */
const MOST_NUMBERS = 2 ** 24;

function parseCount(what: string, text = ""): number {
  const count = Number(text);
  if (text.trim() !== "" && Number.isInteger(count) && count >= 1 && count <= MOST_NUMBERS) return count;
  throw new UserError(`${what}: expected a whole number in 1..${MOST_NUMBERS}, got "${text.trim()}".`);
}

/** Parses numbers, ranges such as 0..99, and repetitions such as 100*0.5 or 100*random. */
function parseNumbers({ name, element = "f32" }: DeclaredArray, text = ""): KernelArray {
  const random = createRandomStream(1, "scratchpad", name);
  const ranges = {
    f32: [-Infinity, Infinity],
    u32: [0, 2 ** 32 - 1],
    i32: [-(2 ** 31), 2 ** 31 - 1],
  } as const;
  const [least, most] = ranges[element];
  const words = text.replaceAll(/\s*\*\s*/g, "*").split(/[\s,]+/);
  const parts = words.filter((part) => part !== "").map((part) => {
    const [, count = "1", value = ""] = /^(?:(\d+)\*)?(.+)$/.exec(part) ?? [];
    const [, from, to] = /^(-?\d+)\.\.(-?\d+)$/.exec(value) ?? [];
    const first = from === undefined ? Number(value) : Number(from);
    const length = to === undefined ? Number(count) : Number(to) - first + 1;
    const isRandom = value === "random" && element === "f32";
    const repeated = count !== "1" && to !== undefined;
    const fits = isRandom || !repeated &&
        (first >= least && first <= most && (element === "f32" || Number.isInteger(first)));
    if (fits && length > MOST_NUMBERS) {
      throw new UserError(`${name}: expected at most ${MOST_NUMBERS} numbers, got "${part}".`);
    }
    if (!fits || !(length >= 1)) {
      throw new UserError(
        `${name}: expected ${element} numbers such as ${
          element === "f32" ? "0.5, 0..99, 100*0 or 100*random" : "5, 0..99 or 100*0"
        }, got "${part}".`,
      );
    }
    const at = (k: number) => isRandom ? random.uniform() : to === undefined ? first : first + k;
    return { length, at };
  });
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length < 1 || length > MOST_NUMBERS) {
    throw new UserError(`${name}: expected 1 to ${MOST_NUMBERS} numbers, got ${length}.`);
  }
  const numbers = { f32: Float32Array, u32: Uint32Array, i32: Int32Array };
  const data = new numbers[element](length);
  let next = 0;
  for (const part of parts) {
    for (let k = 0; k < part.length; k++) data[next++] = part.at(k);
  }
  return data;
}

export interface LadderSummary extends Pick<Ladder, "name" | "title" | "size"> {
  readonly steps: readonly { readonly idea: string; readonly kernel: string }[];
}

function laddersService(worker: LabWorker) {
  return {
    list: (): readonly LadderSummary[] =>
      ladders.map(({ name, title, size, steps }) => {
        const named = steps.map(({ idea, kernel }) => ({ idea, kernel: kernel.name }));
        return { name, title, size, steps: named };
      }),

    /** Checks the kernels of a ladder (versions of a kernel), and times the correct ones. */
    run(
      { ladder: name, rounds }: { readonly ladder: string; readonly rounds: number },
      call: ServiceCall<MeasurementProgress>,
    ): Promise<LadderMeasurement> {
      return worker.runExclusively("A ladder is running", call.signal, async () => {
        const ladder = ladders.find((ladder) => ladder.name === name);
        if (!ladder) throw new UserError(`Expected a ladder of kernels, got ${name}.`);
        const onProgress = reportProgress(call);
        const steps = await runLadder(await worker.gpu(), ladder, { rounds, onProgress });
        return { ladder: name, size: ladder.size, steps };
      });
    },
  };
}

/** Request to run the self-test. If `only` is not "", only cases whose names contain this text run. */
export type SelftestRequest = Required<Pick<SelftestOptions, "kinds" | "only">>;

export type SelftestProgress =
  | { readonly kind: "case" } & MeasurementProgress
  | { readonly kind: "finding"; readonly finding: KindFinding };

function selftestService(worker: LabWorker) {
  return {
    /** Runs the self-test's cases on new GPU devices. A cancelled run ends after the current case. */
    run(
      { kinds, only }: SelftestRequest,
      { progress, signal }: ServiceCall<SelftestProgress>,
    ): Promise<SelftestResult> {
      return worker.runExclusively(
        "A self-test is running",
        signal,
        () =>
          runSelftest((options) => worker.open(options), {
            kinds,
            only,
            onCase: ({ name, kind, number, of }) => {
              const text = `${number} of ${of}: ${name}, ${kind} variants`;
              progress({ kind: "case", text, share: (number - 1) / of });
            },
            onFinding: (finding) => progress({ kind: "finding", finding }),
            stopped: () => signal.aborted,
          }),
      );
    },
  };
}

/** An answer on its way: at which size, what it is checked on, how much it starts, and the race beside the ladder. */

import type { Gpu } from "../../gpu/device.ts";
import { constantOf } from "../../gpu/kernel.ts";
import { invocationsOf } from "../../gpu/program.ts";
import { thousands } from "../../thousands.ts";
import { UserError } from "../../user_error.ts";
import type { Ladder, Step } from "../ladder/check.ts";
import type { Size } from "../ladder/problem.ts";
import { runLadder, type StepResult } from "../ladder/run.ts";
import { checkAnswer } from "./check.ts";
import { casesOf, type Exercise } from "./exercise.ts";

/** @throws UserError for another count of numbers than the exercise has, or for one that is out of range. */
export function sizeOf({ ladder, refuses }: Exercise, text = ladder.size.join("x")): Size {
  const size = text.split("x").map(Number);
  const right = /^\d+(x\d+)*$/.test(text) && size.every((n) => n >= 1 && n <= 2 ** 20);
  const refusal = refuses?.(size);
  if (right && refusal) throw new UserError(`Expected another --size than ${text}: the exercise ${refusal}.`);
  if (right && size.length === ladder.size.length) return size;
  throw new UserError(
    `Expected --size of numbers in 1..${2 ** 20} joined by x, such as ${ladder.size.join("x")}, got ` +
      `"${text}".`,
  );
}

/** @param onProgress in words */
interface Taking {
  readonly size: Size;
  onProgress(text: string): void;
}

/** @param file what the answer is called. @returns what it is right at. @throws UserError for an answer that is wrong. */
export async function checkAll(
  gpu: Gpu,
  exercise: Exercise,
  step: Step,
  file: string,
  { size, onProgress }: Taking,
): Promise<string[]> {
  const cases = casesOf(exercise, size);
  for (const one of cases) {
    onProgress(`${exercise.name}: checking at ${one.name}`);
    await checkAnswer(gpu, exercise, step, one, file);
  }
  return cases.map(({ name }) => name);
}

/** The ladder with the answer as its last step. */
export async function race(
  gpu: Gpu,
  { ladder }: Exercise,
  step: Step,
  { size, onProgress, rounds }: Taking & { readonly rounds: number },
): Promise<StepResult[]> {
  // It was checked at all sizes, and the ladder's steps are by the tests.
  const raced: Ladder = { ...ladder, size, oddSizes: [], steps: [...ladder.steps, step] };
  return await runLadder(gpu, raced, { rounds, onProgress });
}

/** How much is started, as too large a grid costs time alone. */
export function startedText(
  { ladder }: Exercise,
  { kernel, invocations, constants }: Step,
  size: Size,
): string {
  const wanted = invocations(size);
  const [x, y] = wanted.every((one) => typeof one === "number")
    ? [wanted[0], wanted[1] ?? 1] as [number, number]
    : invocationsOf(wanted, ladder.problem(size).sizes);
  const own = constants?.(size) ?? {};
  const along = [constantOf(kernel, "WORKGROUP", own), sizeAlongY(kernel)];
  const groups = [Math.ceil(x / (along[0] ?? 1)), Math.ceil(y / (along[1] ?? 1))];
  return `It starts ${thousands(x)} x ${thousands(y)} invocations at ${size.join(" x ")}: ` +
    `${groups.map(thousands).join(" x ")} workgroups of ${along.join(" x ")}.`;
}

function sizeAlongY(kernel: Step["kernel"]): number {
  return kernel.constants.has("WORKGROUP_Y") ? constantOf(kernel, "WORKGROUP_Y") : 1;
}

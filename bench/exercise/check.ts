/** A reader's kernel as the step of a ladder, and whether it is right. */

import type { Gpu } from "../../src/gpu/device.ts";
import { type Constants, type Kernel, kernel, STEP, STEPS } from "../../src/gpu/kernel.ts";
import { isTexture } from "../../src/gpu/memory.ts";
import { readFloats } from "../../src/gpu/readback.ts";
import { UserError } from "../../src/user_error.ts";
import { evaluate } from "./grid.ts";
import type { Case, Exercise } from "./exercise.ts";
import { bindSteps, type BoundStep, runStep, type Step, worstOf, worstText } from "../../src/ladder/check.ts";
import type { Problem } from "../../src/ladder/problem.ts";

/** Stands where a starter has a hole. */
export const HOLE = "YOUR CODE";

/** Floats behind each output that nobody may write: a few rows. */
const SPARE = 1024;

/** @param file where the text stands. @throws UserError for a text that cannot be run. */
export function stepOf(exercise: Exercise, file: string, text: string): Step {
  const name = file.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  let own: Kernel;
  try {
    own = kernel(name, text);
  } catch (error) {
    throw new UserError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  checkBindings(exercise, file, own);
  if (!/@workgroup_size\(\s*WORKGROUP\s*(,\s*WORKGROUP_Y\s*)?\)/.test(text)) {
    throw new UserError(
      `${file}: expected @workgroup_size(WORKGROUP) or @workgroup_size(WORKGROUP, WORKGROUP_Y).`,
    );
  }
  const grid = line(text, "grid");
  if (grid === undefined) {
    throw new UserError(
      `${file}: expected a line that says how many invocations to start, such as "// grid: ${
        line(exercise.starter, "grid")
      }".`,
    );
  }
  const axes = grid.split(",");
  if (axes.length > 2) throw new UserError(`${file}: expected a grid of one axis or two, got "${grid}".`);
  const workgroup = line(text, "workgroup");
  const where = whereOf(exercise, file, line(text, "where"));
  return {
    kernel: own,
    idea: "yours",
    changes: 1,
    where,
    constants: (size): Constants =>
      workgroup === undefined ? {} : { WORKGROUP: evaluate(workgroup, exercise.letters(size)) },
    invocations: (size) => {
      const [x = 1, y] = axes.map((axis) => evaluate(axis, exercise.letters(size)));
      return [x, y];
    },
  };
}

/** Where inputs are to stand. @param text such as "input texture, weights uniform" */
function whereOf({ ladder }: Exercise, file: string, text = ""): Step["where"] {
  const { inputs, constants } = ladder.problem(ladder.oddSizes[0] ?? ladder.size);
  const places = ["texture", "uniform", ...("K4" in constants ? ["panels"] as const : [])] as const;
  const parts = text.split(",").map((part) => part.trim()).filter((part) => part !== "");
  return Object.fromEntries(parts.map((part) => {
    const [name = "", word, ...rest] = part.split(/\s+/);
    const place = places.find((one) => one === word);
    if (place !== undefined && rest.length === 0 && Object.hasOwn(inputs, name)) return [name, place];
    throw new UserError(
      `${file}: expected "where" to name an input (${Object.keys(inputs).join(", ")}) and its place (${
        places.join(", ")
      }), got "${part}".`,
    );
  }));
}

/** What stands in a line "// name: ...". */
function line(text: string, name: string): string | undefined {
  return text.match(new RegExp(`^// ${name}:(.*)$`, "m"))?.[1]?.trim();
}

/** @throws UserError for a binding that the exercise does not have, and for an output that is not bound. */
function checkBindings({ ladder }: Exercise, file: string, { bindings }: Kernel): void {
  const { inputs, outputs } = ladder.problem(ladder.oddSizes[0] ?? ladder.size);
  const known = [...Object.keys(inputs), ...Object.keys(outputs)];
  for (const { name } of bindings) {
    if (name === STEP || name === STEPS || known.includes(name)) continue;
    throw new UserError(`${file}: expected bindings of ${known.join(", ")} and ${STEP}, got "${name}".`);
  }
  for (const [name, { optional }] of Object.entries(outputs)) {
    const kind = bindings.find((binding) => binding.name === name)?.kind;
    if (optional || kind === "read_write") continue;
    throw new UserError(
      `${file}: expected a binding var<storage, read_write> ${name}: it is what is asked for.`,
    );
  }
}

/**
 * Runs a step twice on a case: its results are the reference's, and the same bits twice, and nothing else is written.
 * @throws UserError that says what is wrong, with the worst number.
 */
export async function checkAnswer(
  gpu: Gpu,
  exercise: Exercise,
  step: Step,
  { size, problem: make, name }: Case,
  file: string,
): Promise<void> {
  const ladder = { ...exercise.ladder, problem: make, steps: [step] };
  const spare = exercise.wholeBuffers ? 0 : SPARE;
  // All that fails here is what the reader's text brings with it.
  const { arena, problem, steps } = await bindSteps(gpu, ladder, size, spare).catch((error) => {
    const [first = "", ...rest] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new UserError([`${file}: ${first}`, ...rest].join("\n"));
  });
  try {
    const [bound] = steps;
    if (!bound) throw new Error(`exercise ${exercise.name}: nothing was bound`);
    const fault = await faultOf(gpu, problem, bound);
    if (!fault) return;
    const hole = step.kernel.source.split("\n").findIndex((text) => text.includes(HOLE));
    const hint = hole < 0 ? "" : `\nLine ${hole + 1} still says ${HOLE}.`;
    throw new UserError(`${file} is wrong at ${name}: ${fault}${hint}`);
  } finally {
    arena.destroy();
  }
}

async function faultOf(gpu: Gpu, problem: Problem, bound: BoundStep): Promise<string | undefined> {
  const found = await runStep(gpu, problem, bound);
  const worst = worstOf(problem, bound.step, found);
  if (worst) {
    const { wrong, rows, columns } = worst;
    const nothing = Number.isNaN(worst.found)
      ? "\nNaN stands where nothing was written, and where it was computed."
      : "";
    return `${worstText(worst)}. ${wrong} of the ${rows * columns} numbers are wrong.${nothing}`;
  }
  for (const [name, floats] of Object.entries(found)) {
    const length = problem.outputs[name]?.length ?? 0;
    const stray = floats.subarray(length).findIndex((x) => !Number.isNaN(x));
    if (stray >= 0) {
      return `a stray write: ${name} has ${length} floats, and float ${
        length + stray
      } was written. Leave early in ` +
        "invocations that own nothing.";
    }
  }
  const changed = await changedInput(gpu, problem, bound);
  if (changed !== undefined) return `it writes the input ${changed}.`;
  const again = await runStep(gpu, problem, bound);
  for (const [name, floats] of Object.entries(found)) {
    const [first, second] = [bits(floats), bits(again[name])];
    const at = first.findIndex((word, k) => word !== second[k]);
    if (at < 0) continue;
    return `two runs differ: float ${at} of ${name} is ${floats[at]}, then ${
      again[name]?.[at]
    }. Do invocations write ` +
      "the same place, or read what others write without a barrier?";
  }
}

function bits(floats: Float32Array<ArrayBuffer> | undefined): Uint32Array {
  return new Uint32Array(floats?.buffer ?? new ArrayBuffer(0));
}

/** The name of an input that a kernel binds to write and has changed. */
async function changedInput(gpu: Gpu, problem: Problem, bound: BoundStep): Promise<string | undefined> {
  for (const { name, kind } of bound.step.kernel.bindings) {
    const [given, view] = [problem.inputs[name], bound.views[name]];
    if (kind !== "read_write" || !given || !view || isTexture(view)) continue;
    const before = new Uint32Array(given.buffer);
    const after = bits(await readFloats(gpu, view));
    if (before.some((word, k) => word !== after[k])) return name;
  }
}

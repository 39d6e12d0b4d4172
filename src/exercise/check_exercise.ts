/** Checks and times a kernel that a reader of the course wrote as the answer to an exercise. */

import type { Gpu } from "../gpu/device.ts";
import { ENABLE_SUBGROUPS, getConstant, type Kernel, parseKernel } from "../gpu/kernel.ts";
import { isTexture, isUniform, UNIFORM_BYTES } from "../gpu/memory.ts";
import { computeInvocations } from "../gpu/program.ts";
import { readViews } from "../gpu/readback.ts";
import { formatThousands } from "../number_text.ts";
import { UserError } from "../user_error.ts";
import { checkText, type ComparedValues, computeErrorShare, formatElement } from "../selftest/finding.ts";
import { CANARY } from "../selftest/harness.ts";
import type { BoundStep, Ladder, LadderSize, LadderStep } from "../ladder/check_ladder.ts";
import { BoundLadder, numberSteps, parseLadderSize } from "../ladder/check_ladder.ts";
import { runLadder } from "../ladder/ladders.ts";
import type { LadderStepMeasurement } from "../profile/bench_report.ts";
import { type Exercise, type ExerciseCase, HOLE, listCases, listConstants } from "./exercise.ts";

/** Parses --size. @throws UserError for a number out of range, or a size that is not supported */
export function parseSize({ ladder, refuses }: Exercise, text = ladder.size.join("x")): LadderSize {
  const size = parseLadderSize(text, ladder.size.length, 2 ** 20);
  const refusal = size && refuses?.(size);
  if (size && !refusal) return size;
  const usual = ladder.size.join("x");
  throw new UserError(
    refusal
      ? `Expected a --size that the exercise supports, got ${text}: the exercise ${refusal}.`
      : `Expected --size of numbers in 1..${2 ** 20} joined by x, such as ${usual}, got "${text}".`,
  );
}

interface CheckOptions {
  readonly size: LadderSize;
  /** @param share - finished share of the checks or of the timing, 0 to 1 */
  onProgress(text: string, share: number): void;
}

/**
 * Checks an answer (a reader's kernel) on all test cases. @param file - path of the answer
 * @returns names of the cases, and a sentence about the numbers of invocations and workgroups
 * @throws UserError if the answer is wrong
 */
export async function checkAll(
  gpu: Gpu,
  exercise: Exercise,
  step: LadderStep,
  file: string,
  { size, onProgress }: CheckOptions,
): Promise<{ cases: string[]; started: string }> {
  if (step.kernel.source.includes(ENABLE_SUBGROUPS) && !gpu.hasSubgroups) {
    throw new UserError(
      `${file} needs subgroups, which ${gpu.adapter.description} does not have. Choose another exercise.`,
    );
  }
  const cases = listCases(exercise, size);
  let started = "";
  for (const [k, one] of cases.entries()) {
    onProgress(`${exercise.name}: checking at ${one.name}`, k / cases.length);
    started = await checkAnswer(gpu, exercise, step, one, file);
  }
  return { cases: cases.map(({ name }) => name), started };
}

/** Times a reader's kernel and, for comparison, the simplest and the shipped versions of this kernel. */
export async function raceExercise(
  gpu: Gpu,
  { ladder }: Exercise,
  step: LadderStep,
  { size, onProgress, rounds }: CheckOptions & { readonly rounds: number },
): Promise<LadderStepMeasurement[]> {
  const known = numberSteps(ladder).filter(({ number, idea }) => number === 1 || idea.includes("shipped"));
  const forGpus = known.find(({ idea }) => gpu.adapter.kind === "gpu" && idea.includes("shipped for GPUs"));
  const own = { ...step, number: ladder.steps.length + 1, changes: (forGpus ?? known.at(-1))?.number ?? 1 };
  // Irregular sizes are not checked again: the answer was checked at all sizes, and tests check the steps.
  const raced: Ladder = { ...ladder, size, oddSizes: [], steps: [...known, own] };
  const results = await runLadder(gpu, raced, { rounds, onProgress });
  return results.map(({ checkedSizes: _one, ...result }) => result);
}

function formatGrid(bound: BoundLadder, { spec }: BoundStep, { name }: ExerciseCase): string {
  const { kernel, constants } = spec;
  const [x, y] = computeInvocations(spec.invocations, bound.trial.sizes);
  const sizeY = kernel.constants.has("WORKGROUP_Y") ? getConstant(kernel, "WORKGROUP_Y") : 1;
  const along = [getConstant(kernel, "WORKGROUP", constants), sizeY];
  const groups = [Math.ceil(x / (along[0] ?? 1)), Math.ceil(y / (along[1] ?? 1))];
  return `At ${name}, the kernel needs ${formatThousands(x)} x ${formatThousands(y)} invocations. ` +
    `The GPU starts ${groups.map(formatThousands).join(" x ")} workgroups of ${
      along.join(" x ")
    } invocations.`;
}

const entryPattern = /(@compute\b[^{};]*\bfn\s+\w+\s*)\(((?:[^()]|\([^()]*\))*)\)\s*\{/;
const builtinPattern = /^@builtin\(\s*(\w+)\s*\)\s*(\w+)\s*:\s*(?:vec3u|vec3<u32>|u32)$/;
/** Largest number of neighbouring invocations that a driver may run as one vector. */
const LANES = "8u";

const builtins: Readonly<Record<string, string>> = {
  local_invocation_index: "other_index",
  local_invocation_id: "other_local",
  global_invocation_id: "other_group * other_size + other_local",
  workgroup_id: "other_group",
  num_workgroups: "given_groups",
};

/**
 * Returns two variants of a kernel that run its invocations in other orders. The first variant permutes the
 * invocation indices of a workgroup, so that neighbours get distant indices. The second variant also reverses
 * the indices and the workgroups. Returns [] if the kernel uses subgroups, or parameters other than builtins.
 */
function otherOrders(own: Kernel): Kernel[] {
  if (own.source.includes(ENABLE_SUBGROUPS)) return [];
  const [entry, head = "", parameters = ""] = entryPattern.exec(own.source) ?? [];
  if (entry === undefined) return [];
  const names = parameters.split(",").map((text) => text.trim()).filter((text) => text !== "");
  const lets = names.map((text) => {
    const [, builtin = "", name = ""] = builtinPattern.exec(text) ?? [];
    return Object.hasOwn(builtins, builtin) ? `let ${name} = ${builtins[builtin]};` : undefined;
  });
  if (lets.includes(undefined)) return [];
  const y = own.constants.has("WORKGROUP_Y") ? "u32(WORKGROUP_Y)" : "1u";
  const other = (backwards: boolean) =>
    // The additions are on one line, so that line numbers in the driver's messages fit the reader's text.
    `${head}(@builtin(local_invocation_index) given_index: u32, @builtin(workgroup_id) given_group: vec3u, ` +
    `@builtin(num_workgroups) given_groups: vec3u) { ` +
    [
      `let other_size = vec3u(u32(WORKGROUP), ${y}, 1u);`,
      `let other_count = other_size.x * other_size.y;`,
      `let other_apart = select(given_index, given_index % ${LANES} * (other_count / ${LANES}) + ` +
      `given_index / ${LANES}, other_count % ${LANES} == 0u);`,
      `let other_index = ${backwards ? "other_count - 1u - other_apart" : "other_apart"};`,
      `let other_local = vec3u(other_index % other_size.x, other_index / other_size.x, 0u);`,
      `let other_group = ${backwards ? "given_groups - vec3u(1u) - given_group" : "given_group"};`,
      ...lets,
    ].join(" ");
  return [false, true].map((backwards) => ({
    ...own,
    source: own.source.replace(entry, () => other(backwards)),
  }));
}

/**
 * Runs a reader's kernel (`step`) twice on a test case. The results must match the reference, the two
 * runs must have identical bits, and memory outside of the outputs must not change. The variants of
 * {@link otherOrders} must pass the same checks.
 * @returns a sentence about the numbers of invocations and workgroups
 * @throws UserError with the element that has the largest error
 */
export async function checkAnswer(
  gpu: Gpu,
  exercise: Exercise,
  step: LadderStep,
  one: ExerciseCase,
  file: string,
): Promise<string> {
  using bound = await bindAnswer(gpu, exercise, step, one, file);
  const [own] = bound.steps;
  if (!own) throw new Error(`exercise ${exercise.name}: expected a step, got none`);
  checkUniforms(own, one, file);
  await bound.prepare();
  const fault = await findFault(bound, own).catch((error) => {
    throw gridFault(error, one, file) ?? error;
  });
  if (fault) {
    throw new UserError(
      `${file} gives wrong results at ${one.name}: ${fault}${findHints(exercise, step, bound)}`,
    );
  }
  // Other orders are compiled only for an answer that is right in the usual order.
  for (const kernel of otherOrders(step.kernel)) {
    const fault = await findFault(bound, await bound.bind({ ...step, kernel }, 0));
    if (fault) {
      throw new UserError(
        `${file} gives wrong results at ${one.name} when the invocations run in another order: ${fault}\n` +
          "Does one invocation read what another invocation writes, without a barrier in between?",
      );
    }
  }
  return formatGrid(bound, own, one);
}

/** Prepares a reader's kernel for a test case. @throws UserError if the size or the kernel causes an error */
async function bindAnswer(gpu: Gpu, exercise: Exercise, step: LadderStep, one: ExerciseCase, file: string) {
  const open = (gpu: Gpu, size: LadderSize) => {
    try {
      return one.open(gpu, size);
    } catch (error) {
      const noMemory = error instanceof RangeError && !/call stack/i.test(error.message);
      if (!(error instanceof Error) || !(noMemory || "share" in error || error instanceof UserError)) {
        throw error;
      }
      const [first = ""] = error.message.split("\n");
      throw new TooLarge(`${one.name}: ${first.replace(/ Use smaller.*$/, "")} Use a smaller --size.`);
    }
  };
  try {
    return await BoundLadder.open(gpu, { ...exercise.ladder, open, steps: [step] }, one.size);
  } catch (error) {
    if (error instanceof TooLarge || error instanceof RangeError) throw error;
    const [first = "", ...rest] = (error instanceof Error ? error.message : String(error)).split("\n");
    const placed = Object.entries(step.where ?? {}).filter(([, place]) => place !== "uniform");
    const read = placed.map(([name]) => `${name} is stored in a texture: read it with load_${name}.`);
    throw new UserError([`${file}: ${first}`, ...rest, ...read].join("\n"));
  }
}

function gridFault(error: unknown, { name: size }: ExerciseCase, file: string): UserError | undefined {
  if (!(error instanceof UserError) || !/ needs .* workgroups, but /.test(error.message)) return undefined;
  const message = error.message.replace(/^.*? needs /, "it needs ").replace(/ Use smaller.*$/, "");
  return new UserError(
    `${file}: line "grid" at ${size}: ${message} Use a smaller --size, or larger workgroups.`,
  );
}

/** Error for a size that needs too much memory. The reader's kernel is not at fault. */
class TooLarge extends UserError {}

/** @throws UserError if an input in a uniform buffer has more bytes than a uniform buffer can hold */
function checkUniforms(
  { step, spec: { views } }: BoundStep,
  { name: size }: ExerciseCase,
  file: string,
): void {
  for (const [name, place] of Object.entries(step.where ?? {})) {
    const view = views[name];
    if (place !== "uniform" || !view || isTexture(view) || isUniform(view)) continue;
    throw new UserError(
      `${file}: ${name} has ${formatThousands(view.size)} bytes at ${size}; a uniform buffer holds at most ` +
        `${formatThousands(UNIFORM_BYTES)}. Use a smaller --size, or a storage buffer.`,
    );
  }
}

/** Returns hints on the text of a reader's kernel that may explain its wrong results. */
function findHints(
  exercise: Exercise,
  { kernel: { source, constants } }: LadderStep,
  { target }: BoundLadder,
): string {
  const untouched = new Set(listHoles(exercise.starter).map(({ around }) => around));
  const hole = listHoles(source).find(({ around }) => untouched.has(around));
  const missing = [...listConstants(exercise)].filter((name) =>
    name in (target.constants ?? {}) && !constants.has(name)
  );
  const isShared = !hole && source.includes("var<workgroup>");
  const starter = parseKernel(exercise.name, exercise.starter).constants;
  const resized = ["WORKGROUP", "WORKGROUP_Y"].find((name) =>
    isShared && constants.has(name) && constants.get(name) !== starter.get(name)
  );
  return [
    hole ? `\nLine ${hole.line} still contains ${HOLE}: write the kernel there.` : "",
    missing.length === 0 ? "" : `\nNo line begins with "const ${missing[0]} =", so the constant is not set.`,
    resized
      ? `\n${resized} is ${constants.get(resized)}, but ${starter.get(resized) ?? 1} in the starter: ` +
        'do the kernel and the line "grid" fit this size?'
      : "",
    isShared
      ? "\nIs an index past the end of an array in workgroup memory? Or is a barrier missing between two accesses?"
      : "",
  ].join("");
}

/** Lists the lines that contain {@link HOLE} ("YOUR CODE"), each with the adjacent lines of code. */
function listHoles(text: string): { readonly line: number; readonly around: string }[] {
  const code = text.split("\n").map((own, k) => ({ line: k + 1, own: own.trim() })).filter(({ own }) =>
    own.includes(HOLE) || !/^(\/\/|$)/.test(own)
  );
  return code.flatMap(({ line, own }, k) => {
    const around = code.slice(Math.max(0, k - 1), k + 2).map(({ own }) => own).join("\n");
    return own.includes(HOLE) ? [{ line, around }] : [];
  });
}

/** Ratio of error to tolerance below which the message names rounding as a possible cause. */
const ROUNDING_SHARE = 64;

/** Describes a kernel's error: wrong numbers, stray writes, or two runs that differ; undefined if correct. */
async function findFault(bound: BoundLadder, step: BoundStep): Promise<string | undefined> {
  const [fault] = await bound.checkStep(step);
  if (!fault) return undefined;
  if (fault.what === "stray writes") {
    return `${checkText(fault)}. Invocations without an output must return early. ` +
      "arrayLength also counts words after the output.";
  }
  if (fault.what === "two runs") {
    return checkText(fault) +
      ". Do several invocations write one element? Is a barrier missing between a write and a read?";
  }
  const { what, worst, wrong, values, firstWrong } = fault;
  if (!worst) return checkText(fault);
  const hint = computeErrorShare(worst) < ROUNDING_SHARE
    ? "\nThe error is about as small as a rounding error. The tolerance allows any order of sums: " +
      'are digits lost in another way? (kernels/README.md, "The exercises", Rounding)'
    : await explainNaN(bound, step, fault);
  const largest = firstWrong?.index === worst.index
    ? ""
    : ` The largest error is at ${formatElement(worst)}.`;
  return `${what} ${
    formatElement(firstWrong ?? worst)
  }. ${wrong} of the ${values} numbers are wrong; this is the ` +
    `first.${largest}${hint}`;
}

async function explainNaN(
  { trial, outputs }: BoundLadder,
  { spec }: BoundStep,
  { worst, what }: ComparedValues,
): Promise<string> {
  if (!Number.isNaN(worst?.got)) return "";
  const view = spec.views[what];
  const views = view ? [view] : [...outputs.values()];
  const words = await readViews(trial.arena.gpu, views);
  const unwritten = words.some((own, k) => {
    const canaries = views[k] && trial.arena.owns(views[k]) ? trial.arena.canaries : 0;
    return own.subarray(0, own.length - canaries).includes(CANARY);
  });
  return unwritten
    ? "\nSome elements were never written, or were read before they were written: is the grid large enough?"
    : "\nThe kernel computed NaN.";
}

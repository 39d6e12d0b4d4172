/** Defines the course's exercises and their hard cases, and parses an answer (a reader's kernel). */

import type { Gpu } from "../gpu/device.ts";
import { clickDimensions } from "../batch/click_sizes.ts";
import { padColumns } from "../tape/tensor.ts";
import type { Ladder, LadderSize, LadderStep } from "../ladder/check_ladder.ts";
import type { UtilityFunction } from "../ladder/choice_ladder.ts";
import { type Constants, type Kernel, parseKernel, STEP, STEPS } from "../gpu/kernel.ts";
import { UserError } from "../user_error.ts";

/** Values of the letters in a kernel's comment such as "// grid: E * K". */
export type SizeLetters = Readonly<Record<string, number>>;

type Trial = ReturnType<Ladder["open"]>;

export interface ExerciseCase {
  readonly size: LadderSize;
  readonly open: Ladder["open"];
  /** Name of the case, such as "size 7 x 3, all utilities about -200". */
  readonly name: string;
}

/** Hard test cases: description (such as "long pages"), size, and rule that selects special inputs. */
type RuledCases<R> = readonly (readonly [what: string, size: LadderSize, rule: NoInfer<R>])[];

/** Creates a test case. @param rule - selects special inputs instead of random inputs */
type RuledTrial<R> = (gpu: Gpu, size: LadderSize, rule?: R) => Trial;

export function listHardCases<R>(trial: RuledTrial<R>, cases: RuledCases<R>): ExerciseCase[] {
  return cases.map(([what, size, rule]): ExerciseCase => {
    const name = `size ${size.join(" x ")}, ${what}`;
    return { size, name, open: (gpu, size) => trial(gpu, size, rule) };
  });
}

export interface Exercise {
  readonly name: string;
  readonly what: string;
  readonly chapter: string;
  readonly starter: string;
  readonly ladder: Ladder;
  readonly solution: string;
  /** Cases with special inputs, which find errors that random inputs miss. */
  readonly hard: readonly ExerciseCase[];
  readonly letters: (size: LadderSize) => SizeLetters;
  /** Returns why a size is not supported, such as "needs a multiple of 64"; undefined if it is supported. */
  readonly refuses?: (size: LadderSize) => string | undefined;
}

/** Returns the solution of the exercise: the last version of the kernel `solution` in the ladder. */
export function getSolution({ ladder, solution }: Exercise): LadderStep {
  const step = ladder.steps.findLast(({ kernel, idea }) =>
    kernel.name === solution && /shipped|solution/.test(idea)
  );
  if (!step) throw new Error(`Expected kernel ${solution} in ladder ${ladder.name}, found none.`);
  return step;
}

interface KernelExercise<R>
  extends
    Omit<Exercise, "ladder" | "solution" | "hard">,
    Omit<Ladder, "name" | "open" | "dispatch" | "steps"> {
  readonly kernel: Kernel;
  readonly trial: RuledTrial<R>;
  readonly hard?: RuledCases<R>;
}

export function createKernelExercise<R>(
  { name, what, chapter, starter, letters, refuses, kernel, trial, hard = [], ...ladder }: KernelExercise<R>,
): Exercise {
  const dispatch = kernel.name;
  const steps = [{ kernel, idea: kernel.name.endsWith("_solution") ? "the solution" : "shipped" }];
  return {
    ...{ name, what, chapter, starter, letters, refuses, solution: kernel.name },
    ladder: { ...ladder, name: kernel.name, open: (gpu, size) => trial(gpu, size), dispatch, steps },
    hard: listHardCases(trial, hard),
  };
}

/** Returns the number of vec4f that store a row of `columns` numbers. */
export function countVectors(columns = 1): number {
  return padColumns(columns) / 4;
}

export function countChunks(rows = 1): number {
  return clickDimensions.countChunks({ users: 1, events: 1, rows, items: 1 });
}

/** Returns all cases of an exercise: irregular sizes, hard cases, and finally the case at `size`. */
export function listCases({ ladder, hard }: Exercise, size: LadderSize = ladder.size): ExerciseCase[] {
  const { open } = ladder;
  const toOrdinaryCase = (size: LadderSize): ExerciseCase => ({
    size,
    open,
    name: `size ${size.join(" x ")}`,
  });
  return [...ladder.oddSizes.map(toOrdinaryCase), ...hard, toOrdinaryCase(size)];
}

/** Returns E (number of pages) and K (most rows per page: `page` items, and one row for "no click"). */
export function getPageLetters([E = 1, page = 1]: LadderSize): SizeLetters {
  return { E, K: page + 1 };
}

export const getOrdinaryUtility: UtilityFunction = (k, e) => ((3 * k + 5 * e) % 7 - 3) / 2;

/** Case with pages of 300 rows, more than the 256 invocations of the largest workgroup. */
export const longPages = ["long pages", [3, 300], getOrdinaryUtility] as const;

/** Evaluates an expression such as "E * K / 4". @param line - "grid" or "workgroup", for errors */
export function evaluate(text: string, letters: SizeLetters, line = "grid"): number {
  const known = Object.keys(letters).join(", ");
  const fault = (found: string) =>
    new UserError(
      `line "${line}": expected numbers and the letters ${known} joined by + * / ( ), such as ` +
        `"${Object.keys(letters)[0]} / 4", got "${text.trim()}": ${found}.`,
    );
  const tokens = text.match(/\d+|[A-Za-z]\w*|\S/g) ?? [];
  let next = 0;
  const sum = (): number => {
    let value = product();
    while (tokens[next] === "+") {
      next++;
      value += product();
    }
    return value;
  };
  const product = (): number => {
    let value = atom();
    for (;;) {
      const sign = tokens[next];
      if (sign === undefined || sign === "+" || sign === ")") return value;
      if (sign === "*" || sign === "/") next++;
      value = sign === "/" ? Math.ceil(value / atom()) : value * atom();
    }
  };
  const atom = (): number => {
    const token = tokens[next++];
    if (token === undefined) throw fault("the text ends early");
    if (token === "-") throw fault("minus is not supported");
    if (/^\d/.test(token)) return Number(token);
    if (token === "(") {
      const value = sum();
      if (tokens[next++] !== ")") throw fault('a ")" is missing');
      return value;
    }
    const value = Object.hasOwn(letters, token) ? letters[token] : undefined;
    if (value === undefined) throw fault(`"${token}" is unknown`);
    return value;
  };
  const value = sum();
  if (next < tokens.length) throw fault(`"${tokens[next]}" is not expected here`);
  if (!(value >= 1 && Number.isFinite(value))) throw fault(`its value is ${value}`);
  return value;
}

export const HOLE = "YOUR CODE";

/** Parses an answer (a reader's kernel). @param file - path. @throws UserError for an invalid kernel */
export function createAnswerStep(exercise: Exercise, file: string, text: string): LadderStep {
  const name = file.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  const shipped = getSolution(exercise);
  if (text === shipped.kernel.source) {
    return { ...shipped, kernel: parseKernel(name, text), idea: "yours", changes: 1 };
  }
  try {
    const own = parseKernel(name, text);
    checkBindings(exercise, own);
    checkWorkgroup(own);
    const { invocations, constants } = parseGrid(exercise, text);
    const where = chooseStorage(shipped.kernel, findLine(text, "where"));
    return {
      kernel: own,
      idea: "yours",
      changes: 1,
      takes: listConstants(exercise),
      where,
      invocations,
      constants,
    };
  } catch (error) {
    throw new UserError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Returns the names of a starter's constants, the only constants that the host sets in an answer. */
export function listConstants({ name, starter }: Exercise): ReadonlySet<string> {
  return new Set(parseKernel(name, starter).constants.keys());
}

/** @throws UserError for an unknown binding, a writable input, or a missing result */
function checkBindings(exercise: Exercise, { bindings, constants }: Kernel): void {
  const wanted = parseKernel(exercise.name, exercise.starter).bindings;
  const known = getSolution(exercise).kernel.bindings;
  for (const { name, kind } of bindings) {
    if (name === STEP || (name === STEPS && constants.has("HEADERS_SEEN"))) continue;
    const own = known.find((binding) => binding.name === name);
    if (!own) {
      throw new UserError(`expected bindings ${wanted.map(({ name }) => name).join(", ")}, got "${name}".`);
    }
    if (kind === "read_write" && (own.kind === "read" || exercise.ladder.given?.includes(name))) {
      throw new UserError(
        `expected a binding var<storage, read> ${name}: it is an input, which the kernel only reads.`,
      );
    }
  }
  for (const { name, kind } of wanted) {
    if (kind !== "read_write" || bindings.some((own) => own.name === name && own.kind === kind)) continue;
    throw new UserError(`expected a binding var<storage, read_write> ${name}: it is the result.`);
  }
}

/** @throws UserError if the workgroup size cannot be parsed, or workgroup memory is used without a barrier */
function checkWorkgroup({ source, constants }: Kernel): void {
  const code = source.replaceAll(/\/\/.*|\/\*[^]*?\*\//g, "");
  const [size, , y] = code.match(/@workgroup_size\(\s*WORKGROUP\s*(,\s*(WORKGROUP_Y)\s*)?\)/) ?? [];
  if (size === undefined) {
    throw new UserError(
      "expected @workgroup_size(WORKGROUP) or @workgroup_size(WORKGROUP, WORKGROUP_Y), got " +
        `${code.match(/@workgroup_size\([^)]*\)/)?.[0] ?? "none"}. Set the size by "const WORKGROUP = ...".`,
    );
  }
  if (y === undefined && constants.has("WORKGROUP_Y")) {
    throw new UserError("expected no constant WORKGROUP_Y: @workgroup_size(WORKGROUP) does not use it.");
  }
  for (const name of ["WORKGROUP", ...(y === undefined ? [] : [y])]) {
    if (/^\d+u?$/.test(constants.get(name) ?? "")) continue;
    throw new UserError(`expected a line "const ${name} = 64;", with one number.`);
  }
  const [, shared] = code.match(/var<workgroup>\s*(\w+)/) ?? [];
  if (shared === undefined || /\b(workgroupBarrier|workgroupUniformLoad)\b/.test(code)) return;
  throw new UserError(
    `expected a workgroupBarrier(): ${shared} is in workgroup memory, and on a GPU an invocation may read ` +
      "it before another invocation has written it.",
  );
}

/** Parses the line "grid" (number of invocations) and the optional line "workgroup" (size of a workgroup). */
export function parseGrid(
  exercise: Pick<Exercise, "starter" | "letters">,
  text: string,
): Pick<LadderStep, "invocations" | "constants"> {
  const grid = findLine(text, "grid");
  if (grid === undefined) {
    throw new UserError(
      `expected a line with the number of invocations, such as "// grid: ${
        findLine(exercise.starter, "grid")
      }".`,
    );
  }
  const axes = grid.split(",");
  if (axes.length > 2) throw new UserError(`expected a grid of one axis or two, got "${grid}".`);
  const workgroup = findLine(text, "workgroup");
  const value = (line: string, words: string, size: LadderSize) =>
    evaluate(words, exercise.letters(size), line);
  return {
    constants: (size): Constants =>
      workgroup === undefined ? {} : { WORKGROUP: value("workgroup", workgroup, size) },
    invocations: (size) => {
      const [x = 1, y] = axes.map((axis) => value("grid", axis, size));
      return [x, y];
    },
  };
}

/** Parses the line "where": the storage of each input by name, such as "x texture, weights uniform". */
function chooseStorage({ bindings, constants }: Kernel, text = ""): LadderStep["where"] {
  const kinds = ["texture", "uniform", ...(constants.has("K4") ? ["panels"] as const : [])] as const;
  const getStorage = (name: string) => bindings.find((binding) => binding.name === name)?.kind;
  const where: Record<string, typeof kinds[number]> = {};
  for (const part of text.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
    const [name = "", word, ...rest] = part.split(/\s+/);
    const storage = kinds.find((one) => one === word);
    if (getStorage(name) === "read_write") {
      throw new UserError(`expected only inputs in "where", got the output ${name}.`);
    }
    if (storage === undefined || rest.length > 0 || getStorage(name) !== "read") {
      throw new UserError(
        `expected the name of an input and one of ${kinds.join(", ")} in "where", got "${part}".`,
      );
    }
    if (where[name]) throw new UserError(`expected "where" to name ${name} once.`);
    where[name] = storage;
  }
  return where;
}

/** Returns the text after "// name:", or undefined without such a line. @throws UserError for two lines */
function findLine(text: string, name: string): string | undefined {
  const [line, second] = [...text.matchAll(new RegExp(`^//\\s*${name}\\s*:(.*)$`, "gm"))];
  if (second) throw new UserError(`expected one line "// ${name}: ...", got two.`);
  return line?.[1]?.trim();
}

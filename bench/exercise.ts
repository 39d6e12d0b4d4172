/**
 * `deno task exercise NAME`: the exercises of the course in kernels/course. Writes a file to begin with, runs the reader's
 * kernel in it against the f64 reference, and times it beside the ladder.
 */

import { Argument, Command, Option } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { parseAndRun, path, wholeNumber } from "../src/cli/options.ts";
import { table } from "../src/cli/table.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { constantOf } from "../src/gpu/kernel.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { thousands } from "../src/thousands.ts";
import { UserError } from "../src/user_error.ts";
import { version } from "../src/version.ts";
import { type AnswerStep, HOLE, stepOf } from "../src/selftest/exercise/answer.ts";
import { checkAnswer } from "../src/selftest/exercise/check.ts";
import { casesOf, type Exercise } from "../src/selftest/exercise/exercise.ts";
import { exercises } from "../src/selftest/exercise/exercises.ts";
import { askTint } from "./ask_tint.ts";
import { ladderCells } from "./ladder.ts";
import { bindSteps, gpuWay, type Ladder, type Step } from "../src/selftest/ladder/check.ts";
import type { Size } from "../src/selftest/ladder/problem.ts";
import { runLadder } from "../src/selftest/ladder/run.ts";
import { cards } from "./compiled/cards.ts";
import { watching } from "./compiled/gather.ts";
import { compileAll } from "./compiled/report.ts";
import { besideCells } from "./compiled/tables.ts";
import { printTable } from "./output.ts";
import { namesOf, Status } from "./study.ts";

interface ExerciseOptions {
  readonly file?: string;
  readonly size?: string;
  readonly rounds: number;
  readonly time: boolean;
  readonly gpu?: string[];
}

const families = cards.map(({ family }) => family);
const names = exercises.map(({ name }) => name);

function exerciseCommand(): Command {
  const command = new Command("deno task exercise")
    .description("The course's exercises: checks a kernel of yours, and times it beside the ladder.")
    .version(version)
    .addArgument(new Argument("[name]", "which exercise; without one, all are listed").choices(names))
    .option("--file <file>", "the kernel (default: exercises/NAME.wgsl, written if it is not there)", path)
    .option("--size <sizes>", "check and time it at another size, such as 64x1000 for softmax")
    .option("--rounds <n>", "how often the steps are timed in turn", wholeNumber(1, 1000), 3)
    .option("--no-time", "check alone")
    .addOption(
      new Option(
        "--gpu <names>",
        "say what these GPUs' compiler makes of it, beside the shipped kernel: navi31, as in bench/compiled.md",
      ).argParser(namesOf(families)),
    )
    .addHelpText("after", "\nExample:\n  deno task exercise softmax");
  command.action((name: string | undefined) => {
    const exercise = exercises.find((one) => one.name === name);
    return exercise ? take(exercise, command.opts<ExerciseOptions>()) : list();
  });
  return command;
}

function list(): void {
  const rows = exercises.map(({ name, what, chapter }) => [name, what, `kernels/course/${chapter}`]);
  console.log(table(["exercise", "what it computes", "chapter"], rows));
  console.log("\nBegin with: deno task exercise softmax");
}

function starterFile({ name }: Exercise): string {
  return `exercises/${name.replaceAll("-", "_")}.wgsl`;
}

async function take(exercise: Exercise, options: ExerciseOptions): Promise<void> {
  const file = options.file ?? starterFile(exercise);
  const size = sizeOf(exercise, options.size);
  const text = await readText(file);
  if (text === undefined) {
    if (options.file !== undefined) throw new UserError(`there is no file ${file}.`);
    return await begin(exercise, file);
  }
  if (text === exercise.starter) {
    throw new UserError(
      `${file} is as it was written. Its task is in its first lines; fill in what says ${HOLE}.`,
    );
  }
  const step = stepOf(exercise, file, text);
  const { faults, missing } = await askTint(text);
  if (faults.length > 0) {
    throw new UserError(
      [`${file} is refused by Tint, and so by browsers:`, ...faults.map((fault) => `${file}:${fault}`)].join(
        "\n",
      ),
    );
  }
  if (missing !== undefined) {
    console.log(
      `Tint was not asked (${missing}): whether all invocations reach each barrier is not checked.`,
    );
  }
  const status = new Status();
  const gpu = await openGpu();
  try {
    console.log(`${gpu.adapter.description} (${gpu.adapter.kind}), ${gpu.adapter.runtime}`);
    const cases = casesOf(exercise, size);
    for (const one of cases) {
      status.show(`${exercise.name}: checking at ${one.name}`);
      await checkAnswer(gpu, exercise, step, one, file);
    }
    status.clear();
    console.log([`${file} is right at`, ...cases.map(({ name }) => `  ${name}`)].join("\n"));
    console.log(startedText(step, size));
    if (options.time) await time(gpu, { ...exercise.ladder, size }, step, options.rounds, status);
    if (options.gpu) await showCompiled({ ...exercise.ladder, size }, step, file, options.gpu);
  } finally {
    status.clear();
    gpu.close();
  }
}

/** @throws UserError for another count of numbers than the exercise has, or for one that is out of range. */
function sizeOf({ ladder, refuses }: Exercise, text = ladder.size.join("x")): Size {
  const size = text.split("x").map(Number);
  const right = /^\d+(x\d+)*$/.test(text) && size.every((n) => n >= 1 && n <= 2 ** 20);
  const refusal = refuses?.(size);
  if (right && refusal) throw new UserError(`Expected another --size than ${text}: the exercise ${refusal}.`);
  if (right && size.length === ladder.size.length) return size;
  throw new UserError(
    `Expected --size of numbers in 1..${2 ** 20} joined by x, such as ${
      ladder.size.join("x")
    }, got "${text}".`,
  );
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.IsADirectory) {
      throw new UserError(`Expected --file to be a kernel's file, got the folder ${file}.`);
    }
    throw error;
  }
}

/** Writes the starter, which is never written over another file. */
async function begin(exercise: Exercise, file: string): Promise<void> {
  await Deno.mkdir("exercises", { recursive: true });
  await Deno.writeTextFile(file, exercise.starter, { createNew: true });
  console.log(
    `${file} is there now: ${exercise.what}. Its task is in its first lines; fill in what says ${HOLE}.\n` +
      `Size:     --size ${
        exercise.ladder.size.join("x")
      }, if you do not say another: ${exercise.ladder.title}\n` +
      `Chapter:  kernels/course/${exercise.chapter}\n` +
      `Check it: deno task exercise ${exercise.name}\n` +
      `Rules:    kernels/README.md, which also says which kernels are a solution`,
  );
}

/** How much is started, as too large a grid costs time alone. */
function startedText({ kernel, invocations, constants }: AnswerStep, size: Size): string {
  const [x, y = 1] = invocations(size);
  const own = constants?.(size) ?? {};
  const along = [constantOf(kernel, "WORKGROUP", own), sizeAlongY(kernel)];
  const groups = [Math.ceil(x / (along[0] ?? 1)), Math.ceil(y / (along[1] ?? 1))];
  return `It starts ${thousands(x)} x ${thousands(y)} invocations at ${size.join(" x ")}: ` +
    `${groups.map(thousands).join(" x ")} workgroups of ${along.join(" x ")}.`;
}

/** What compilers of GPUs make of an answer, beside the kernel that a GPU is given. */
async function showCompiled(ladder: Ladder, step: Step, file: string, gpus: readonly string[]): Promise<void> {
  const shipped = gpuWay(ladder).steps.filter(({ refuses }) => !refuses?.(ladder.size, Infinity)).at(-1);
  const texts = await watching("gpu", async ({ gpu, texts }) => {
    const steps = [...(shipped ? [shipped] : []), step];
    (await bindSteps(gpu, { ...ladder, steps }, ladder.size)).arena.destroy();
    return [...texts.values()];
  });
  const compiled = compileAll({ texts, steps: [] }, { gpus });
  for (const gpu of gpus) {
    const sides = compiled.texts.flatMap(({ kernel, facts: { [gpu]: facts } }) =>
      facts ? [{ name: kernel === step.kernel.name ? file : `${kernel}, shipped`, facts }] : []
    );
    printTable(besideCells(sides, true), `${gpu}, ${compiled.compiler}, nothing ran on it`);
  }
}

function sizeAlongY(kernel: Step["kernel"]): number {
  return kernel.constants.has("WORKGROUP_Y") ? constantOf(kernel, "WORKGROUP_Y") : 1;
}

async function time(
  gpu: Gpu,
  ladder: Ladder,
  step: Step,
  rounds: number,
  status: Status,
): Promise<void> {
  const steps = [...ladder.steps, step];
  const onProgress = (text: string) => status.show(text);
  // It was checked at all sizes, and the ladder's steps are by the tests.
  const results = await runLadder(gpu, { ...ladder, oddSizes: [], steps }, { rounds, onProgress });
  status.clear();
  // Without a naive step the first one is the shipped kernel.
  const { head, rows } = ladderCells(results, ladder.steps.length < 3 ? "on step 1" : undefined);
  console.log(`\n${ladder.title}: ${ladder.size.join(" x ")}\n${table(head, rows)}`);
}

await runMain(() => parseAndRun(exerciseCommand(), Deno.args));

/** `deno task exercise NAME`: creates, checks and times the exercises of the course in kernels/course. */

import { Argument, Command, Option } from "commander";
import { runMain } from "../src/cli/run_main.ts";
import { parseAndRun, parseWholeNumber, path } from "../src/cli/command_options.ts";
import { formatTable } from "../src/cli/table.ts";
import { formatCompilerError } from "../src/gpu/device.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { makeFolder, writeFileAtomically } from "../src/files/atomic_write.ts";
import { explainFileError, readText } from "../src/files/local_file.ts";
import { allowWrites } from "../src/files/write_scope.ts";
import { UserError } from "../src/user_error.ts";
import { createAnswerStep, type Exercise, HOLE } from "../src/exercise/exercise.ts";
import { exercises } from "../src/exercise/exercises.ts";
import { checkAll, parseSize, raceExercise } from "../src/exercise/check_exercise.ts";
import { explainLadderCells, listLadderCells } from "./ladder.ts";
import { BoundLadder, type Ladder, type LadderStep, selectGpuSteps } from "../src/ladder/check_ladder.ts";
import { cards } from "./compiled/time_model.ts";
import { watchCompiles } from "./compiled/gather.ts";
import { compileAll } from "./compiled/report.ts";
import { listComparisonCells } from "./compiled/tables.ts";
import { makeNamesParser, printTable, StudyStatus } from "./study.ts";

interface ExerciseOptions {
  readonly file?: string;
  readonly size?: string;
  readonly rounds: number;
  readonly time: boolean;
  readonly limit: number;
  readonly gpu?: string[];
}

const FOLDER = "exercises";
const families = cards.map(({ family }) => family);
const names = exercises.map(({ name }) => name);

function exerciseCommand(): Command {
  const command = new Command("deno task exercise")
    .description(
      "Checks your kernel for an exercise of the course, and times it with naive and shipped kernels.",
    )
    .addArgument(new Argument("[name]", "the exercise (default: list all)").choices(names))
    .option("--file <file>", "your kernel (default: exercises/NAME.wgsl, created if missing)", path)
    .option("--size <sizes>", "check and time at this size, such as 64x1000 for softmax")
    .option("--rounds <n>", "rounds; each round times every kernel once", parseWholeNumber(1, 1000), 3)
    .option("--no-time", "only check")
    .option(
      "--limit <seconds>",
      "abort if the device computes longer than this before a result is read",
      parseWholeNumber(1, 86_400),
      60,
    )
    .addOption(
      new Option(
        "--gpu <names>",
        "also compile your kernel and the shipped kernel for these GPUs, e.g. navi31 (see bench/compiled.md)",
      ).argParser(makeNamesParser(families)),
    )
    .addHelpText("after", "\nExample:\n  deno task -q exercise softmax");
  command.action((name: string | undefined) => {
    const exercise = exercises.find((one) => one.name === name);
    return exercise ? runExercise(exercise, command.opts<ExerciseOptions>()) : listExercises();
  });
  return command;
}

function listExercises(): void {
  const rows = exercises.map(({ name, what, chapter }) => [name, what, `kernels/course/${chapter}`]);
  console.log(formatTable(["exercise", "what it computes", "chapter"], rows, { drop: ["chapter"] }));
  console.log("\nBegin with: deno task -q exercise map");
}

async function runExercise(exercise: Exercise, options: ExerciseOptions): Promise<void> {
  const file = options.file ?? `${FOLDER}/${exercise.name}.wgsl`;
  const size = parseSize(exercise, options.size);
  const text = await readAnswer(file);
  if (text === undefined) {
    if (options.file !== undefined) {
      throw new UserError(`Expected the file ${file}, found none. Check --file.`);
    }
    return await writeStarter(exercise, file);
  }
  if (text === exercise.starter) {
    throw new UserError(
      `Expected your kernel in ${file}, got the starter. Follow the file's first lines and fill in ${HOLE}.`,
    );
  }
  const step = createAnswerStep(exercise, file, text);
  const { faults, missing } = await compileWithTint(file, text);
  if (faults.length > 0) {
    throw new UserError([`${file} is rejected by Tint, the compiler of Chrome:`, ...faults].join("\n"));
  }
  if (missing !== undefined) {
    console.log(`Tint did not run (${missing}): uniform control flow at barriers is not checked.`);
  }
  using status = new StudyStatus();
  using gpu = await openGpu({ kernelSeconds: options.limit });
  console.log(`${gpu.adapter.description} (${gpu.adapter.kind}), ${gpu.adapter.runtime}`);
  const checking = { size, onProgress: (text: string, share: number) => status.show(text, share) };
  const { cases, started } = await checkAll(gpu, exercise, step, file, checking);
  status.clear();
  console.log([`${file} is correct at`, ...cases.map((name) => `  ${name}`)].join("\n"));
  console.log(started);
  if (options.time) {
    const results = await raceExercise(gpu, exercise, step, { ...checking, rounds: options.rounds });
    status.clear();
    const { title, steps } = exercise.ladder;
    const cpuTimes = gpu.adapter.kind === "cpu" && exercise.chapter !== "12-cpu-driver.md";
    printTable(listLadderCells(results, { cpuTimes }), `${title}: ${size.join(" x ")}`);
    console.log(explainLadderCells(cpuTimes));
    if (results.length <= steps.length) {
      console.log(`The ladder has ${steps.length} steps: deno task -q bench ladder ${exercise.ladder.name}`);
    }
  }
  const next = exercises[exercises.indexOf(exercise) + 1];
  if (next) console.log(`\nNext exercise: deno task -q exercise ${next.name} (${next.what})`);
  if (options.gpu) await showCompiled({ ...exercise.ladder, size }, step, file, options.gpu);
}

async function readAnswer(file: string): Promise<string | undefined> {
  try {
    return await readText(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw explainFileError(error, "read", file);
  }
}

async function writeStarter(exercise: Exercise, file: string): Promise<void> {
  allowWrites(FOLDER);
  await makeFolder(FOLDER);
  await writeFileAtomically(file, exercise.starter);
  console.log(
    `Created ${file}: ${exercise.what}. Follow its first lines and fill in ${HOLE}.\n` +
      `Size:     --size ${exercise.ladder.size.join("x")} (default): ${exercise.ladder.title}\n` +
      `Chapter:  kernels/course/${exercise.chapter}\n` +
      `Check it: deno task -q exercise ${exercise.name} (--no-time: do not time it)\n` +
      "Rules:    kernels/README.md, which also names the kernels that solve the exercises",
  );
}

/** Compares the machine code of the user's kernel with that of clickgan's kernel for the exercise. */
async function showCompiled(
  ladder: Ladder,
  step: LadderStep,
  file: string,
  gpus: readonly string[],
): Promise<void> {
  const [shipped] = selectGpuSteps(ladder).steps.filter(({ idea, refuses }) =>
    idea.includes("shipped") && !refuses?.(ladder.size, Infinity)
  );
  const steps = [...(shipped ? [shipped] : []), step];
  const names = steps.map(({ kernel }) => kernel.name);
  const texts = await watchCompiles("gpu", async ({ gpu, texts }) => {
    (await BoundLadder.open(gpu, { ...ladder, steps }, ladder.size))[Symbol.dispose]();
    return [...texts.values()].filter(({ kernel }) => names.includes(kernel));
  });
  const compiled = compileAll({ texts, steps: [] }, { gpus });
  for (const gpu of gpus) {
    const sides = compiled.texts.flatMap(({ kernel, facts: { [gpu]: facts } }) =>
      facts ? [{ name: kernel === step.kernel.name ? file : `${kernel}, shipped`, facts }] : []
    );
    printTable(listComparisonCells(sides, true), `${gpu}, ${compiled.compiler}, compiled only`);
  }
}

/** npm package of the compiler Tint, imported at run time: exercises also work without this package. */
const DAWN: string = "webgpu";

interface CompilerVerdict {
  /** Compiler errors, such as "mine.wgsl:12:5 'workgroupBarrier' must only be called from ...". */
  readonly faults: readonly string[];
  /** Reason why Tint did not run. */
  readonly missing?: string;
}

/** Compiles WGSL with Tint (Chrome), which, unlike Deno's compiler, rejects barriers in divergent code. */
async function compileWithTint(file: string, text: string): Promise<CompilerVerdict> {
  let device: GPUDevice | undefined;
  try {
    const { create }: typeof import("webgpu") = await import(DAWN);
    const adapter = await create(["backend=null"]).requestAdapter();
    const requiredFeatures = (["subgroups"] as const).filter((name) => adapter?.features.has(name));
    device = await adapter?.requestDevice({ requiredFeatures });
    if (!device) return { faults: [], missing: "Dawn has no null backend on this machine" };
    device.pushErrorScope("validation");
    const { messages } = await device.createShaderModule({ code: text }).getCompilationInfo();
    await device.popErrorScope();
    const errors = messages.filter(({ type }) => type === "error");
    return { faults: errors.map((message) => formatCompilerError(file, text, message)) };
  } catch (error) {
    return { faults: [], missing: error instanceof Error ? error.message : String(error) };
  } finally {
    device?.destroy();
  }
}

if (import.meta.main) await runMain(() => parseAndRun(exerciseCommand(), Deno.args));

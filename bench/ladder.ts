/** `deno task bench ladder`: times kernels from the naive to the shipped version; see bench/ladder.md. */

import { formatShort } from "../src/number_text.ts";
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { JSON_FILE } from "../src/cli/arguments.ts";
import { makeOutputFileParser, parseWholeNumber } from "../src/cli/command_options.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { formatAccessCount } from "../src/kernel_analysis/access_counts.ts";
import type { AdapterKind } from "../src/gpu/kernel_variants.ts";
import { type Ladder, type LadderSize, parseLadderSize, selectGpuSteps } from "../src/ladder/check_ladder.ts";
import { ladders, runLadder } from "../src/ladder/ladders.ts";
import type { LadderMeasurement, LadderStepMeasurement, ShippedLadder } from "../src/profile/bench_report.ts";
import { shippedLadder, shippedLadders } from "../src/profile/bench_report.ts";
import { readJson } from "../src/files/json_file.ts";
import * as v from "../src/schema.ts";
import { UserError } from "../src/user_error.ts";
import {
  createReadmeOption,
  createStudy,
  describeAdapter,
  expectRecords,
  printTable,
  StudyPage,
  StudyStatus,
  type TableCells,
  writeRecords,
} from "./study.ts";

interface LadderCommandOptions {
  readonly variants?: AdapterKind;
  readonly json?: string;
  readonly size?: LadderSize;
  readonly lstmSize?: LadderSize;
  readonly choiceSize?: LadderSize;
  readonly rounds: number;
  readonly readme?: string;
}

const FORMAT = "clickgan-ladders";
/** First characters of a JSON file of kernel times. Files that begin otherwise are never overwritten. */
const LADDERS_MARK = '\n[\n {"ladder":';
const names = ladders.map(({ name }) => name);

export function createCommand(): Command {
  const own = createStudy(
    "ladder",
    "Checks and times kernels from the naive to the shipped version, with one new idea per step.",
  )
    .addArgument(new Argument("[ladders...]", "the ladders").choices(names).default(names))
    .option("--size <MxKxN>", "rows, inputs and outputs of the matmuls", makeSizeParser(3, 2 ** 20))
    .option("--lstm-size <BxTxH>", "users, events per user and units of the LSTM", makeSizeParser(3, 4096))
    .option("--choice-size <ExK>", "events, and rows per page, of the softmax", makeSizeParser(2, 2 ** 16))
    .addOption(
      new Option(
        "--variants <kind>",
        "gpu: only the steps up to the kernel for GPUs; cpu: also the steps for CPU adapters (default)",
      ).choices(["cpu", "gpu"]),
    )
    .option("--rounds <n>", "rounds; each round times every step once", parseWholeNumber(1, 1000), 7)
    .option(JSON_FILE, "JSON file for all results", makeOutputFileParser(".json"))
    .option(...createReadmeOption("ladder NAME", "the tables, and a JSON file next to the page"))
    .addHelpText(
      "after",
      "\nExamples:\n  deno task -q bench ladder forward --size 25600x64x64\n" +
        "  deno task -q bench ladder --variants gpu",
    );
  return own.action((chosen: string[]) => runLadders(new Set(chosen), own.opts<LadderCommandOptions>()));
}

async function runLadders(chosen: ReadonlySet<string>, options: LadderCommandOptions): Promise<void> {
  const { rounds, readme, variants, json } = options;
  if (readme !== undefined && variants === "gpu") {
    throw new UserError(
      "--readme needs all steps of a ladder, but --variants gpu leaves some out. Omit one of the two options.",
    );
  }
  const selected = ladders.filter(({ name }) => chosen.has(name))
    .map((ladder) => variants === "gpu" ? selectGpuSteps(ladder) : ladder);
  if (json !== undefined) expectRecords(json, FORMAT);
  const page = await StudyPage.open(readme, ...selected.map(({ name }) => `ladder ${name}`));
  const measurements: LadderMeasurement[] = [];
  const wrong: string[] = [];
  using gpu = await openGpu();
  using status = new StudyStatus();
  const { adapter } = gpu;
  const { description, runtime } = adapter;
  console.log(`${description} (${adapter.kind}), ${runtime}`);
  for (const ladder of selected) {
    const size = getRequestedSize(ladder, options) ?? ladder.size;
    const onProgress = (text: string, share: number) => status.show(text, share);
    const results = await runLadder(gpu, ladder, { size, rounds, onProgress });
    status.clear();
    measurements.push({ ladder: ladder.name, size, steps: results });
    if (json !== undefined) await writeRecords(json, { format: FORMAT, adapter, ladders: measurements });
    const cpuTimes = variants === "gpu" && adapter.kind === "cpu";
    const cells = listLadderCells(results, { cpuTimes });
    printTable(cells, `${ladder.title}: ${size.join(" x ")}`);
    console.log(explainLadderCells(cpuTimes));
    const faults = results.filter(({ isWrong }) => isWrong);
    wrong.push(...faults.map(({ number, refusal }) => `ladder ${ladder.name}, step ${number}: ${refusal}`));
    if (readme === undefined || faults.length > 0) continue;
    await page.write(`ladder ${ladder.name}`, `${size.join(" x ")}; ${describeAdapter(adapter)}:`, cells);
    const machine = { adapter: description, cores: navigator.hardwareConcurrency, runtime };
    await writeLadder(getJsonPath(readme), v.parse(shippedLadder, { ...measurements.at(-1), ...machine }));
  }
  if (wrong.length === 0) return;
  throw new UserError(
    `${wrong.join("\n")}\n` +
      "The driver's results differ from the reference. Try another driver, or run deno task selftest.",
  );
}

/** Returns the path of the JSON file that stores the times of a page's ladders (versions of a kernel). */
export function getJsonPath(page: string): string {
  return page.replace(/(\.md)?$/, ".json");
}

/** @throws UserError if the file is damaged. */
export async function readLadders(file: string): Promise<ShippedLadder[]> {
  return await readJson(file, shippedLadders) ?? [];
}

/** Stores a ladder's times in a file, in place of its earlier times. @throws UserError if writing fails. */
async function writeLadder(file: string, ladder: ShippedLadder): Promise<void> {
  const all = new Map((await readLadders(file)).map((other) => [other.ladder, other]));
  await writeRecords(file, [...all.set(ladder.ladder, ladder).values()], LADDERS_MARK);
}

function getRequestedSize({ name }: Ladder, options: LadderCommandOptions): LadderSize | undefined {
  if (name.startsWith("lstm")) return options.lstmSize;
  return name === "choice" ? options.choiceSize : options.size;
}

function makeSizeParser(count: number, most: number): (text: string) => LadderSize {
  return (text) => {
    const size = parseLadderSize(text, count, most);
    if (size) return size;
    throw new InvalidArgumentError(
      `Expected ${count} sizes from 1 to ${most}, joined by x, such as ` +
        `${ladders.find((ladder) => ladder.size.length === count)?.size.join("x")}, got "${text}".`,
    );
  };
}

/** Returns a table with a row per step of a ladder. @param options.cpuTimes - true: no speedups */
export function listLadderCells(
  results: readonly LadderStepMeasurement[],
  { cpuTimes = false }: { readonly cpuTimes?: boolean } = {},
): TableCells {
  const times = (gain: number | undefined) => gain === undefined ? "-" : `${gain.toFixed(2)}x`;
  const counts = ({ counts: own }: LadderStepMeasurement) =>
    [own?.reads, own?.sectors, own?.writeSectors, own?.conflicts].map(formatAccessCount);
  const base = ({ gain, changes }: LadderStepMeasurement) => gain === undefined ? "-" : String(changes);
  const time = (step: LadderStepMeasurement) => formatShort(step.time?.median ?? NaN);
  const named = ["step", "idea", "kernel"];
  const counted = ["reads", "read sectors", "write sectors", "conflicts"];
  return {
    head: cpuTimes
      ? [...named, ...counted, "us on this CPU"]
      : [...named, "us", "vs. step 1", "gain", "vs. step", ...counted],
    rows: results.map((step) => [
      ...[String(step.number), step.idea, step.refusal ?? step.kernel],
      ...(cpuTimes ? [] : [time(step), times(step.gainOnFirst), times(step.gain), base(step)]),
      ...counts(step),
      ...(cpuTimes ? [time(step)] : []),
    ]),
  };
}

export function explainLadderCells(cpuTimes: boolean): string {
  const gains = 'vs. step 1: speedup over step 1; gain: speedup over the step in column "vs. step"; ';
  const cpuNote = "A CPU driver's times do not show gains on a GPU: it runs invocations one vector after " +
    "another, and barriers are slow. The counts do not depend on the driver. But reads are per invocation " +
    "that accesses memory: multiply them by the number of such invocations to compare kernels.\n";
  return (cpuTimes ? cpuNote : gains) +
    "reads: per invocation; read and write sectors: of 32 bytes, per 32 reads or writes; " +
    "conflicts: extra cycles per access to workgroup memory (bench/ladder.md)";
}

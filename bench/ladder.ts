/**
 * `deno task bench ladder`: kernels from the naive version to the shipped one, one idea a step. What each idea is, and why it
 * wins or loses, is in bench/ladder.md.
 */

import { Argument, Command, InvalidArgumentError } from "commander";
import { wholeNumber } from "../src/cli/options.ts";
import { table } from "../src/cli/table.ts";
import { openGpu } from "../src/host/open_gpu.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import type { Size } from "../src/ladder/problems.ts";
import type { Ladder } from "../src/ladder/check.ts";
import { runLadder, type StepResult } from "../src/ladder/run.ts";
import { ladders } from "../src/ladder/ladders.ts";
import { jsonBeside, shippedLadder, writeLadder } from "./ladder_json.ts";
import { Status } from "./status.ts";
import { type Cells, short } from "./tables.ts";

interface LadderCommandOptions {
  readonly size?: Size;
  readonly lstmSize?: Size;
  readonly choiceSize?: Size;
  readonly rounds: number;
  readonly readme?: string;
}

const names = ladders.map(({ name }) => name);

export function ladderCommand(): Command {
  const command = new Command("ladder")
    .description("Climbs from the naive kernel to the shipped one, one idea a step; checks every step first.")
    .addArgument(new Argument("[ladders...]", "which ladders to climb").choices(names).default(names))
    .option("--size <MxKxN>", "rows, inputs and outputs of the matmuls", sizeOf(3, 2 ** 20), undefined)
    .option("--lstm-size <BxTxH>", "users, events a user and units of the LSTM", sizeOf(3, 4096), undefined)
    .option("--choice-size <ExK>", "events and rows a page of the choice", sizeOf(2, 2 ** 16), undefined)
    .option("--rounds <n>", "how often the steps are timed in turn", wholeNumber(1, 1000), 7)
    .option(
      "--readme <file>",
      "a page that gets the tables, each between its lines <!-- ladder NAME -->, and a JSON file beside it",
    )
    .addHelpText("after", "\nExample:\n  deno task bench ladder forward --size 25600x64x64");
  command.action((chosen: string[]) => climb(new Set(chosen), command.opts<LadderCommandOptions>()));
  return command;
}

async function climb(chosen: ReadonlySet<string>, options: LadderCommandOptions): Promise<void> {
  const { rounds, readme } = options;
  const climbed = ladders.filter(({ name }) => chosen.has(name));
  if (readme !== undefined) { for (const { name } of climbed) await expectMarkers(readme, `ladder ${name}`); }
  const status = new Status();
  const gpu = await openGpu();
  try {
    const { adapter } = gpu;
    console.log(`${adapter.description} (${adapter.kind}), ${adapter.runtime}`);
    for (const ladder of climbed) {
      const size = sizeFor(ladder, options) ?? ladder.size;
      const results = await runLadder(gpu, ladder, { size, rounds, onProgress: (text) => status.show(text) });
      status.clear();
      const { head, rows } = ladderCells(results);
      console.log(`\n${ladder.title}: ${size.join(" x ")}\n${table(head, rows)}`);
      if (readme === undefined) continue;
      const cores = navigator.hardwareConcurrency;
      const on = `${size.join(" x ")}; ${adapter.description}, ${cores} cores, ${adapter.runtime}:`;
      await writeBetweenMarkers(
        readme,
        `ladder ${ladder.name}`,
        [on, "", ...markdownTable(head, rows)].join("\n"),
      );
      const machine = { adapter: adapter.description, cores, runtime: adapter.runtime };
      await writeLadder(jsonBeside(readme), shippedLadder(ladder.name, size, machine, results));
    }
  } finally {
    status.clear();
    gpu.close();
  }
}

function sizeFor({ name }: Ladder, options: LadderCommandOptions): Size | undefined {
  if (name.startsWith("lstm")) return options.lstmSize;
  return name === "choice" ? options.choiceSize : options.size;
}

/** Sizes joined by x, each of 1..`most`. */
function sizeOf(count: number, most: number): (text: string) => Size {
  return (text) => {
    const size = text.split("x").map(Number);
    const right = /^\d+(x\d+)*$/.test(text) && size.every((n) => n >= 1 && n <= most);
    if (right && size.length === count) return size;
    throw new InvalidArgumentError(
      `Expected ${count} sizes of 1..${most} joined by x, such as ${
        ladders.find((ladder) => ladder.size.length === count)?.size.join("x")
      }, got "${text}".`,
    );
  };
}

/** A row a step. Gains: how often faster than the naive step, and than the one that it changes. */
export function ladderCells(results: readonly StepResult[]): Cells {
  const times = (gain: number | undefined) => gain === undefined ? "-" : `${gain.toFixed(2)}x`;
  return {
    head: [
      "step",
      "idea",
      "kernel",
      "us",
      "min",
      "GFLOP/s",
      "GB/s",
      "on naive",
      "gain",
      "on step",
      "compile ms",
    ],
    rows: results.map((step) => [
      String(step.number),
      step.idea,
      step.refusal ?? step.kernel,
      short(step.time?.median ?? NaN),
      short(step.time?.min ?? NaN),
      short(step.flops / (step.time?.median ?? NaN) / 1000),
      short(step.bytes / (step.time?.median ?? NaN) / 1000),
      times(step.gainOnFirst),
      step.number === 1 ? "-" : times(step.gain),
      step.number === 1 ? "-" : String(step.changes),
      step.compileMs?.toFixed(0) ?? "-",
    ]),
  };
}

/** Options, child processes, and output to terminal, pages and JSON files, for all bench studies. */

import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { path } from "../src/cli/command_options.ts";
import { FailedJobError, runChild } from "../src/cli/jobs.ts";
import { describeProcess, type TaskName } from "../src/cli/launch.ts";
import { UserError } from "../src/user_error.ts";
import { describeShare, formatPercent as percentText } from "../src/number_text.ts";
import { cpus } from "node:os";
import { dirname } from "node:path";
import {
  expectMarkers,
  formatMarkdownTable,
  formatTable,
  writeBetweenMarkers,
  writeBlock,
} from "../src/cli/table.ts";
import { expectReplaceable, makeFolder, writeFileAtomically } from "../src/files/atomic_write.ts";
import { allowWrites } from "../src/files/write_scope.ts";
import { formatMark, readJson } from "../src/files/json_file.ts";
import { type BenchReport, benchReport } from "../src/profile/bench_report.ts";

export function createStudy(name: string, description: string): Command {
  return new Command(`deno task bench ${name}`).description(description);
}

export function createReadmeOption(markers: string, what = "the table") {
  return [
    "--readme <file>",
    `Markdown page to which to write ${what}, below its line <!-- ${markers} -->`,
    path,
  ] as const;
}

/** Creates the option --only. @param what - subject of its help text, such as "rows whose name" */
export function createOnlyOption(what: string): Option {
  return createPatternOption("--only <pattern>", `only ${what} matches this regular expression`);
}

export function createPatternOption(flags: string, about: string): Option {
  return new Option(flags, about).argParser(parsePattern).default(/./, "all");
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError(`Expected a regular expression, got "${text}".`);
  }
}

/**
 * Selects elements by name. @param what - an element, such as "a row". @param option - name of the option
 * @throws UserError if none matches
 */
export function selectMatching<T extends { readonly name: string }>(
  all: readonly T[],
  only: RegExp,
  what: string,
  option = "--only",
): T[] {
  const chosen = all.filter(({ name }) => only.test(name));
  if (chosen.length > 0) return chosen;
  const known = all.map(({ name }) => name).join("; ");
  throw new UserError(`Expected ${option} to match ${what} (${known}), got ${only.source}.`);
}

/** Returns a parser of a comma-separated list of names, which it sorts in the order of `known`. */
export function makeNamesParser<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const names = text.split(",").map((name) => name.trim());
    const unknown = names.find((name) => !known.some((one) => one === name));
    if (unknown === undefined) return known.filter((one) => names.includes(one));
    throw new InvalidArgumentError(`Expected names of ${known.join(", ")}, got "${unknown}".`);
  };
}

/**
 * Runs a command of clickgan without the user's cache.
 * @param environment - more environment variables. @param note - gets the command's messages
 * @throws UserError if the command fails.
 */
export async function runCommand(
  command: TaskName,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  note = (line: string) => console.error(line),
): Promise<void> {
  const { args: all, env } = describeProcess(command, args);
  const process = {
    args: all,
    env: { ...env, XDG_CACHE_HOME: "", HOME: "", LOCALAPPDATA: "", ...environment },
  };
  try {
    await runChild({ process, onOutput: () => {}, onNote: note });
  } catch (error) {
    if (!(error instanceof FailedJobError)) throw error;
    throw new UserError(
      `Expected ${command} to succeed, got ${error.message}. Arguments: ${args.join(" ")}`,
    );
  }
}

export async function withTemporaryFolder<T>(name: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: `clickgan-${name}-` });
  allowWrites(folder);
  try {
    return await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Shows a study's progress: on a terminal in one line that it overwrites, otherwise as separate lines. */
export class StudyStatus {
  #last = "";
  #shown = false;
  #began = performance.now();

  /**
   * Shows a text "what: detail". If stderr is no terminal, only "what" is printed, without repetitions.
   * @param share - finished share, from which the remaining time is estimated; 0 restarts the clock
   */
  show(text: string, share = 0): void {
    const { stderr } = process;
    if (share === 0) this.#began = performance.now();
    const left = describeShare(share, (performance.now() - this.#began) / 1000);
    if (stderr.isTTY) {
      const line = left === "" ? text : `${left}  ${text}`;
      stderr.write(`\r\x1b[K${line.slice(0, (stderr.columns || 80) - 1)}`);
      this.#shown = true;
      return;
    }
    const what = text.split(":")[0] ?? "";
    if (what === this.#last) return;
    this.#last = what;
    stderr.write(left === "" ? `${what}\n` : `${what} (${left})\n`);
  }

  clear(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
    this.#shown = false;
  }
  [Symbol.dispose](): void {
    this.clear();
  }
}

export interface TableCells {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A column of a table: its heading, and a function that formats a row's cell. */
export type CellColumn<T> = readonly [head: string, of: (row: T, index: number) => string];

export function buildCells<T>(rows: readonly T[], columns: readonly CellColumn<T>[]): TableCells {
  return {
    head: columns.map(([head]) => head),
    rows: rows.map((row, k) => columns.map(([, of]) => of(row, k))),
  };
}

/** Formats a share with one decimal, such as "12.5 %". */
export function formatPercentCell(share: number | undefined): string {
  return percentText(share, 1);
}

/** Titles of columns that a narrow terminal omits, in the order in which they are omitted. */
const DISPENSABLE = [
  ...["compile ms", "min", "MFLOP", "MB", "best", "conflicts", "host us", "their ms"],
  ...["dispatches + copies", "rows or value", "unit", "quartiles", "bound by", "GB/s"],
  ...["largest error", "MiB", "rows", "noise", "GFLOP/s", "kernel", "write sectors", "read sectors", "reads"],
  "on step",
];

export function printTable({ head, rows }: TableCells, title?: string): void {
  const table = formatTable(head, rows, { drop: DISPENSABLE });
  console.log(`${title === undefined ? "" : `\n${title}\n`}${table}`);
}

/** A page to which a study writes results between the lines `<!-- NAME -->` and `<!-- end of NAME -->`. */
export class StudyPage {
  private constructor(private readonly file: string | undefined) {}

  /** Opens a page, if `file` is defined. @throws UserError if the page lacks marker lines */
  static async open(file: string | undefined, ...names: readonly string[]): Promise<StudyPage> {
    if (file !== undefined) { for (const name of names) await expectMarkers(file, name); }
    return new StudyPage(file);
  }

  /** Writes the nonempty texts and tables into the page. @throws UserError if the page cannot be written */
  async write(name: string, ...parts: readonly (string | TableCells)[]): Promise<void> {
    if (this.file !== undefined) await writeBetweenMarkers(this.file, name, getCellText(parts));
  }

  /** Writes results as {@link write} does, but keeps earlier results of other processors. */
  async writeOfCpu(name: string, machine: string, ...parts: readonly (string | TableCells)[]): Promise<void> {
    if (this.file === undefined) return;
    const [cpu = "", rest = ""] = machine.split(/(?=,)(.*)/s);
    await writeBlock(this.file, name, cpu, `${rest}\n\n${getCellText(parts)}`);
  }
}

function getCellText(parts: readonly (string | TableCells)[]): string {
  const texts = parts.map((part) =>
    typeof part === "string"
      ? part
      : part.rows.length > 0
      ? formatMarkdownTable(part.head, part.rows).join("\n")
      : ""
  );
  return texts.filter((text) => text !== "").join("\n\n");
}

/** @throws UserError if {@link writeRecords} would not replace the file, because it has another format. */
export function expectRecords(file: string, format: string): void {
  expectReplaceable(file, formatMark({ format }, INDENT));
}

/**
 * Writes a JSON file, and its folder if missing. An existing file is replaced only if it starts with `mark`.
 * @throws UserError if the file cannot be written
 */
export async function writeRecords(
  file: string,
  value: object,
  mark = formatMark(value, INDENT),
): Promise<void> {
  await makeFolder(dirname(file));
  await writeFileAtomically(file, formatRecordsJson(value) + "\n", mark);
}

const INDENT = " ";

/** Formats JSON with one line per element of a list, so that a new measurement changes one line. */
export function formatRecordsJson(value: object): string {
  if (Array.isArray(value)) return formatRecordLines(value, "");
  const parts = Object.entries(value).filter(([, part]) => part !== undefined).map(([key, part]) => {
    const isList = Array.isArray(part) && part.some((one) => typeof one === "object");
    return `${INDENT}${JSON.stringify(key)}: ${isList ? formatRecordLines(part, " ") : JSON.stringify(part)}`;
  });
  return `{\n${parts.join(",\n")}\n}`;
}

function formatRecordLines(records: readonly unknown[], indent: string): string {
  return `[\n${records.map((one) => `${indent} ${JSON.stringify(one)}`).join(",\n")}\n${indent}]`;
}

/** Reads the results of a bench. @throws UserError if the file is missing or is not the JSON of a bench */
export async function readBench(file: string): Promise<BenchReport> {
  const report = await readJson(file, benchReport);
  if (report) return report;
  throw new UserError(`Expected the JSON of an earlier bench (--json), found none at ${file}.`);
}

export function getPagePath({ json, html }: { readonly json: string; readonly html?: string }): string {
  return html ?? json.replace(/(\.json)?$/, ".html");
}

/** Describes the device, for example "llvmpipe (LLVM 19.1.7, 256 bits), 2 cores, Deno/2.9.6". */
export function describeAdapter({ description, runtime }: { description: string; runtime: string }): string {
  return `${description}, ${navigator.hardwareConcurrency} cores, ${runtime}`;
}

/** Describes processor, operating system and Deno version. Needs the permission --allow-sys=cpus. */
export function describeMachine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() || "unknown processor";
  const { os, arch } = Deno.build;
  return `${model}, ${cores.length} logical core(s), ${os} ${arch}, Deno ${Deno.version.deno}`;
}

/** Where the figures of a study go: to the terminal, between the markers of pages, and into files of JSON; reading such a file. */

import { percent as percentText } from "../src/number_text.ts";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { table } from "../src/cli/table.ts";
import { atomicWriteFile, makeFolder } from "../src/files/atomic_write.ts";
import { readJson } from "../src/files/json_file.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { type BenchReport, benchReport } from "../src/selftest/profile/bench_report.ts";
import { UserError } from "../src/user_error.ts";

export interface Cells {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A column of a table: its name, and what stands there of a row. */
export type Column<T> = readonly [head: string, of: (row: T, index: number) => string];

export function cellsOf<T>(rows: readonly T[], columns: readonly Column<T>[]): Cells {
  return {
    head: columns.map(([head]) => head),
    rows: rows.map((row, k) => columns.map(([, of]) => of(row, k))),
  };
}

/** A share with a digit behind the point: "12.5 %". */
export function percent(share: number | undefined): string {
  return percentText(share, 1);
}

export function printTable({ head, rows }: Cells, title?: string): void {
  console.log(`${title === undefined ? "" : `\n${title}\n`}${table(head, rows)}`);
}

/** A table as it stands in a page. */
export function markdown({ head, rows }: Cells): string {
  return markdownTable(head, rows).join("\n");
}

/** A page that gets figures between its lines `<!-- NAME -->` and `<!-- end of NAME -->`. */
export class Page {
  private constructor(private readonly file: string | undefined) {}

  /**
   * Looked at before anything is measured.
   * @param file nothing where no page is wanted: then nothing is written. @param names of all lines that will be written between
   * @throws UserError for a page that cannot be read, or that lacks the lines
   */
  static async open(file: string | undefined, ...names: readonly string[]): Promise<Page> {
    if (file !== undefined) { for (const name of names) await expectMarkers(file, name); }
    return new Page(file);
  }

  /** @param parts texts and tables, an empty line between them; empty ones are left out. @throws UserError when it cannot be written */
  async write(name: string, ...parts: readonly (string | Cells)[]): Promise<void> {
    if (this.file === undefined) return;
    const texts = parts.map((part) =>
      typeof part === "string" ? part : part.rows.length > 0 ? markdown(part) : ""
    );
    await writeBetweenMarkers(this.file, name, texts.filter((text) => text !== "").join("\n\n"));
  }
}

/** What was measured, in a file; its folder is made. @throws UserError when it cannot be written */
export async function writeRecords(file: string, value: object): Promise<void> {
  await makeFolder(dirname(file));
  await atomicWriteFile(file, recordsJson(value) + "\n");
}

/**
 * JSON of measurements as text, a line a record: an element of a list that stands at the top, or right below it. So what was
 * measured anew is a line that has changed.
 */
export function recordsJson(value: object): string {
  if (Array.isArray(value)) return linesOf(value, "");
  const parts = Object.entries(value).filter(([, part]) => part !== undefined).map(([key, part]) => {
    const isList = Array.isArray(part) && part.some((one) => typeof one === "object");
    return ` ${JSON.stringify(key)}: ${isList ? linesOf(part, " ") : JSON.stringify(part)}`;
  });
  return `{\n${parts.join(",\n")}\n}`;
}

function linesOf(records: readonly unknown[], indent: string): string {
  return `[\n${records.map((one) => `${indent} ${JSON.stringify(one)}`).join(",\n")}\n${indent}]`;
}

/** What a bench measured. @throws UserError for a file that is missing or not of this layout. */
export async function readBench(file: string): Promise<BenchReport> {
  const report = await readJson(file, benchReport);
  if (report) return report;
  throw new UserError(`Expected the JSON of an earlier bench (--json), found no file ${file}.`);
}

/** What figures of a device are measured on: "llvmpipe (LLVM 19.1.7, 256 bits), 2 cores, Deno/2.9.6". */
export function onAdapter({ description, runtime }: { description: string; runtime: string }): string {
  return `${description}, ${navigator.hardwareConcurrency} cores, ${runtime}`;
}

/** The machine with its processor. Takes --allow-sys=cpus. */
export function machineText(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() || "unknown processor";
  return `${model}, ${cores.length} logical core(s), ${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}`;
}

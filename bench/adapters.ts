/**
 * `deno task bench adapters`: what was measured on different adapters, by the bench or saved by the lab's page, in tables.
 * Adapters that nobody has measured are not in it.
 */

import { short } from "../src/number_text.ts";
import { Argument, type Command } from "commander";
import type { BenchReport, LadderFigures } from "../src/selftest/profile/bench_report.ts";
import { type Cells, cellsOf, type Column, Page, printTable, readBench } from "./output.ts";
import { readmeOption, study } from "./study.ts";

const MARKERS = "adapters";

export function command(): Command {
  const own = study("adapters", "Puts what was measured on different adapters side by side.")
    .addArgument(new Argument("<files...>", "JSON of a bench (--json), or saved by the lab's page"))
    .option(...readmeOption(MARKERS, "the tables"))
    .addHelpText(
      "after",
      "\nExample:\n  deno task bench adapters bench/adapters/*.json --readme bench/adapters.md",
    );
  return own.action((files: string[]) => compareAdapters(files, own.opts<{ readme?: string }>().readme));
}

async function compareAdapters(files: readonly string[], readme: string | undefined): Promise<void> {
  const page = await Page.open(readme, MARKERS);
  const reports: BenchReport[] = [];
  for (const file of files) reports.push(await readBench(file));
  const tables = [adapterCells(reports), figureCells(reports), ladderCells(reports)];
  for (const cells of tables.filter(({ rows }) => rows.length > 0)) {
    printTable(cells);
    console.log();
  }
  await page.write(MARKERS, ...tables);
}

/** A row a file. What was not measured is "-". */
export function adapterCells(reports: readonly BenchReport[]): Cells {
  const steps = [...new Set(reports.flatMap(({ steps }) => steps.map(nameOf)))];
  return cellsOf(reports, [
    ["adapter", ({ adapter }) => adapter.description],
    ["runtime", ({ adapter }) => runtimeName(adapter.runtime)],
    ["measured", ({ date }) => date.slice(0, 10)],
    ["clock", ({ machine }) => machine.timestamps ? "timestamps" : "host"],
    ...steps.map((step): Column<BenchReport> => [`${step}, ms`, ({ steps: own }) => {
      const found = own.find((result) => nameOf(result) === step);
      return found ? short(found.wall.median / 1000) : "-";
    }]),
    ["training: first step, ms", ({ training }) => short(training?.msToFirstStep ?? NaN)],
    ["steps/s", ({ training }) => short(training?.stepsPerSecond ?? NaN)],
    ["self-test", ({ selftest = [] }) => {
      const cases = selftest.reduce((sum, { cases }) => sum + cases, 0);
      const wrong = selftest.reduce((sum, { differing }) => sum + differing.length, 0);
      return cases === 0 ? "-" : wrong === 0 ? `all ${cases}` : `${cases - wrong} of ${cases}`;
    }],
  ]);
}

function nameOf({ workload, model }: { readonly workload: string; readonly model: string }): string {
  return `${workload} ${model}`;
}

/** Of a browser its name and version alone: "Chrome/142.0.0.0", "Deno/2.9.6". */
export function runtimeName(runtime: string): string {
  const known = /\b(Deno|Node(?:\.js)?|HeadlessChrome|Edg|Chrome|Firefox)\/[\d.]+/;
  return known.exec(runtime)?.[0] ??
    (/\bVersion\/([\d.]+).*Safari/.exec(runtime)
      ? `Safari/${/\bVersion\/([\d.]+)/.exec(runtime)?.[1]}`
      : runtime);
}

/** A row for each probe: its best sample on each adapter. */
function figureCells(reports: readonly BenchReport[]): Cells {
  const probed = reports.filter(({ figures }) => figures.length > 0);
  const nameOf = ({ name, unit }: BenchReport["figures"][number]) => `${name}, ${unit}`;
  return cellsOf([...new Set(probed.flatMap(({ figures }) => figures.map(nameOf)))], [
    ["probe, best sample", (name) => name],
    ...probed.map((report): Column<string> => [
      columnOf(report),
      (name) => short(report.figures.find((figure) => nameOf(figure) === name)?.best ?? NaN),
    ]),
  ]);
}

function columnOf({ adapter }: BenchReport): string {
  return `${adapter.description}, ${runtimeName(adapter.runtime)}`;
}

/** A row for each step of each ladder and size: how much faster than the first it is on each adapter; the fastest is bold. */
export function ladderCells(reports: readonly BenchReport[]): Cells {
  const climbed = reports.filter(({ ladders = [] }) => ladders.length > 0);
  const keyOf = ({ ladder, size }: LadderFigures) => `${ladder}, ${size.join(" x ")}`;
  const all = climbed.flatMap(({ ladders = [] }) => ladders);
  return {
    head: ["ladder", "step", "idea", ...climbed.map(columnOf)],
    rows: [...new Set(all.map(keyOf))].flatMap((key) => {
      const columns = climbed.map(({ ladders = [] }) =>
        gainsOf(ladders.find((ladder) => keyOf(ladder) === key)?.steps ?? [])
      );
      // A file may have the GPU's road alone.
      const ideas = new Map(
        all.filter((ladder) => keyOf(ladder) === key)
          .flatMap(({ steps }) => steps.map(({ number, idea }) => [number, idea] as const)),
      );
      return [...ideas].toSorted(([a], [b]) => a - b).map(([number, idea], k) => [
        k === 0 ? key : "",
        ...[String(number), idea],
        ...columns.map((gains) => gains.get(number) ?? "-"),
      ]);
    }),
  };
}

/** @returns by the step's number how many times as fast as the first step it is, the fastest bold; none without a first step */
function gainsOf(steps: LadderFigures["steps"]): Map<number, string> {
  const timed = steps.flatMap(({ number, time }) => time ? [{ number, us: time.median }] : []);
  const first = timed.find(({ number }) => number === 1);
  if (!first) return new Map();
  const least = Math.min(...timed.map(({ us }) => us));
  return new Map(timed.map(({ number, us }) => {
    const gain = `${short(first.us / us)}x`;
    return [number, us === least ? `**${gain}**` : gain];
  }));
}

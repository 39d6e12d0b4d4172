/**
 * `deno task bench adapters`: what was measured on different adapters, by the bench or saved by the lab's page, in one table.
 * Adapters that nobody has measured are not in it.
 */

import { Argument, Command } from "commander";
import { table } from "../src/cli/table.ts";
import { COPIES, FLOOR, FMA } from "../src/profile/ceilings.ts";
import type { BenchReport, LadderFigures } from "../src/profile/bench_report.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { readBench } from "./bench_json.ts";
import { type Cells, short } from "./tables.ts";

const MARKERS = "adapters";

export function adaptersCommand(): Command {
  const command = new Command("adapters")
    .description("Puts what was measured on different adapters into one table.")
    .addArgument(new Argument("<files...>", "JSON of a bench (--json), or saved by the lab's page"))
    .option(
      "--readme <file>",
      "a page that gets the tables, between its lines <!-- adapters --> and <!-- end of adapters -->",
    )
    .addHelpText(
      "after",
      "\nExample:\n  deno task bench adapters bench/adapters/*.json --readme bench/adapters.md",
    );
  command.action((files: string[]) => compareAdapters(files, command.opts<{ readme?: string }>().readme));
  return command;
}

async function compareAdapters(files: readonly string[], readme: string | undefined): Promise<void> {
  if (readme !== undefined) await expectMarkers(readme, MARKERS);
  const reports: BenchReport[] = [];
  for (const file of files) reports.push(await readBench(file));
  const tables = [adapterCells(reports), ladderCells(reports)].filter(({ rows }) => rows.length > 0);
  for (const { head, rows } of tables) console.log(`${table(head, rows)}\n`);
  if (readme === undefined) return;
  const lines = tables.flatMap(({ head, rows }) => ["", ...markdownTable(head, rows)]);
  await writeBetweenMarkers(readme, MARKERS, lines.slice(1).join("\n"));
}

/** A row a file. What was not measured is "-". */
export function adapterCells(reports: readonly BenchReport[]): Cells {
  const steps = [...new Set(reports.flatMap(({ steps }) => steps.map(nameOf)))];
  return {
    head: [
      "adapter",
      "runtime",
      "measured",
      "clock",
      "GFLOP/s",
      "GB/s",
      "empty dispatch, us",
      ...steps.map((step) => `${step}, ms`),
      "training: first step, ms",
      "steps/s",
      "self-test",
    ],
    rows: reports.map(({ adapter, machine, date, figures, steps: own, training, selftest = [] }) => {
      const figure = (...names: string[]) => {
        const found = figures.filter(({ name }) => names.includes(name)).map(({ best }) => best);
        return found.length > 0 ? short(Math.max(...found)) : "-";
      };
      const cases = selftest.reduce((sum, { cases }) => sum + cases, 0);
      const wrong = selftest.reduce((sum, { differing }) => sum + differing.length, 0);
      return [
        adapter.description,
        runtimeName(adapter.runtime),
        date.slice(0, 10),
        machine.timestamps ? "timestamps" : "host",
        figure(FMA),
        figure(...COPIES.map(([name]) => name)),
        figure(FLOOR),
        ...steps.map((step) => {
          const found = own.find((result) => nameOf(result) === step);
          return found ? short(found.wall.median / 1000) : "-";
        }),
        short(training?.msToFirstStep ?? NaN),
        short(training?.stepsPerSecond ?? NaN),
        cases === 0 ? "-" : wrong === 0 ? `all ${cases}` : `${cases - wrong} of ${cases}`,
      ];
    }),
  };
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

/** A row for each ladder and size: the fastest step of each adapter that has climbed it, and by how much. */
export function ladderCells(reports: readonly BenchReport[]): Cells {
  const climbed = reports.filter(({ ladders = [] }) => ladders.length > 0);
  const keyOf = ({ ladder, size }: LadderFigures) => `${ladder}, ${size.join(" x ")}`;
  const keys = [...new Set(climbed.flatMap(({ ladders = [] }) => ladders.map(keyOf)))];
  return {
    head: [
      "fastest step of ladder",
      ...climbed.map(({ adapter }) => `${adapter.description}, ${runtimeName(adapter.runtime)}`),
    ],
    rows: keys.map((key) => [
      key,
      ...climbed.map(({ ladders = [] }) => {
        const steps = ladders.find((ladder) => keyOf(ladder) === key)?.steps ?? [];
        const timed = steps.flatMap(({ number, idea, time }) =>
          time ? [{ number, idea, us: time.median }] : []
        );
        const naive = timed.find(({ number }) => number === 1);
        const [best] = timed.toSorted((a, b) => a.us - b.us);
        if (!best) return "-";
        return `${best.number}, ${best.idea}${
          naive ? `: ${(naive.us / best.us).toFixed(1)}x the speed of step 1` : ""
        }`;
      }),
    ]),
  };
}

/**
 * `deno task bench simulate`: pages of simulated users, and what policies cost on them, beside others who do the same. What is
 * compared is in bench/simulate.md.
 */

import { Command, InvalidArgumentError } from "commander";
import { numberOf, wholeNumber } from "../src/cli/options.ts";
import { table } from "../src/cli/table.ts";
import { atomicWriteFile } from "../src/run/files/atomic_write.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { UserError } from "../src/user_error.ts";
import { version } from "../src/version.ts";
import * as v from "../src/schema.ts";
import { measureAdapter } from "../src/selftest/profile/adapter_ceilings.ts";
import { type AdapterFigure, ceilingsOf } from "../src/selftest/profile/ceilings.ts";
import { findTorches, NO_TORCH, pythonOption } from "./peers/python.ts";
import { measureSimulateGrowth, type SimulateGrowth } from "./simulate/growth.ts";
import { measureSimulate, type PeerNote, type SimulateResult } from "./simulate/measure.ts";
import type { Kind } from "./simulate/runners.ts";
import { growthCells, kindCells, kindTitles, noteLines, returnCells, workCells } from "./simulate/tables.ts";
import { Status } from "./status.ts";
import type { Cells } from "./tables.ts";

/** A part of the page: what one run measures anew. */
const GROWTH = "bench simulate growth";
const markersOf = (kind: Kind) => `bench simulate ${kind}`;

const kinds: readonly Kind[] = ["random", "cdqn", "greedy", "learn"];

interface SimulateOptions {
  readonly items: number[];
  readonly slates: number[];
  readonly users: number;
  readonly kinds: Kind[];
  readonly seconds: number;
  readonly rounds: number;
  readonly learnedPages: number;
  readonly peers: boolean;
  readonly growth: boolean;
  readonly python: string[];
  readonly json?: string;
  readonly readme?: string;
}

export function simulateCommand(): Command {
  const command = new Command("simulate")
    .description(
      "Measures pages of simulated users: random, by CDQN, greedy, and learned from; beside PyTorch and NumPy that do the same.",
    )
    .option("--items <n,...>", "sizes of the catalogue", sizesOf("items", 64, 2 ** 22), [500, 5000, 50_000])
    .option("--slates <k,...>", "items a page", sizesOf("items a page", 1, 64), [3, 5, 10])
    .option(
      "--users <n>",
      "users that are stepped together, at most; with many items fewer are",
      wholeNumber(1, 2 ** 17),
      4096,
    )
    .option("--kinds <names>", `of ${kinds.join(", ")}`, kindsOf, [...kinds])
    .option(
      "--seconds <n>",
      "for each who plays, size and kind",
      numberOf(v.positive(600), "a number of seconds above 0, at most 600"),
      2,
    )
    .option("--rounds <n>", "turns that each has of them", wholeNumber(1, 100), 5)
    .option(
      "--learned-pages <n>",
      "pages of all users after which it is looked at what was learned, for the first size; 0 for never",
      wholeNumber(0, 2 ** 24),
      2000,
    )
    .option("--no-peers", "clickgan alone")
    .option("--no-growth", "without how a page's time grows with users, items and slate")
    .addOption(pythonOption())
    .option("--json <file>", "where all figures go")
    .option(
      "--readme <file>",
      `a page that gets the tables of what was measured, between its lines <!-- ${
        markersOf("random")
      } --> and so on`,
    )
    .addHelpText(
      "after",
      "\nExample, about a minute:\n  deno task bench simulate --items 500 --slates 3 --users 1024 --seconds 1 --no-growth",
    );
  command.action(() => simulate(command.opts<SimulateOptions>()));
  return command;
}

/** All that was measured. */
export interface SimulateReport {
  readonly figures: readonly AdapterFigure[];
  readonly results: readonly SimulateResult[];
  readonly notes: readonly PeerNote[];
  readonly growth: readonly SimulateGrowth[];
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { items, slates, users, seconds, rounds, learnedPages, readme, json } = options;
  const sections = [...options.kinds.map(markersOf), ...(options.growth ? [GROWTH] : [])];
  if (readme !== undefined) { for (const section of sections) await expectMarkers(readme, section); }
  const torches = options.peers ? await findTorches(options.python) : [];
  const status = new Status();
  const say = (text: string) => status.show(text);
  const gpu = await openGpu();
  const folder = await Deno.makeTempDir({ prefix: "clickgan-simulate-" });
  try {
    const { adapter } = gpu;
    const on = `${adapter.description}, ${navigator.hardwareConcurrency} cores, ${adapter.runtime}`;
    console.log(on);
    const figures = await measureAdapter(gpu, Math.min(0.2, seconds), (name) => say(`adapter: ${name}`));
    const plan = {
      kinds: options.kinds,
      items,
      slates,
      users,
      seconds,
      rounds,
      torches,
      profile: true,
      learnedPages,
    };
    const measured = await measureSimulate(gpu, plan, folder, say);
    // Small sizes, of which eight times as much is measured.
    const base = { users: Math.ceil(users / 8), items: Math.min(...items), slate: Math.min(...slates) };
    const growth = options.growth ? await measureSimulateGrowth(gpu, base, seconds, rounds, say) : [];
    status.clear();
    gpu.check();
    const report: SimulateReport = { figures, ...measured, growth };
    const parts = partsOf(report, options.kinds);
    for (const { title, cells } of parts.flatMap(({ tables }) => tables)) {
      console.log(`\n${title}\n${table(cells.head, cells.rows)}`);
    }
    const notes = [
      ...noteLines(report.notes),
      ...(options.peers && torches.length === 0 ? [`No peers: ${NO_TORCH}`] : []),
    ];
    for (const line of notes) console.log(line);
    if (json !== undefined) {
      const all = { date: new Date().toISOString(), version, adapter, seconds, rounds, ...report };
      await atomicWriteFile(json, JSON.stringify(all, null, 2) + "\n");
    }
    if (readme !== undefined) {
      for (const { section, tables } of parts) {
        const own = tables.map(({ title, cells }) =>
          `**${title}**\n\n${markdownTable(cells.head, cells.rows).join("\n")}`
        );
        const said = section === GROWTH ? "" : notes.map((line) => `- ${line}`).join("\n");
        await writeBetweenMarkers(
          readme,
          section,
          [`${on}:`, ...own, said].filter((part) => part !== "").join("\n\n"),
        );
      }
    }
    const wrong = report.notes.filter(({ wrong }) => wrong);
    if (wrong.length > 0) {
      throw new UserError(`Expected peers that compute what clickgan does:\n${noteLines(wrong).join("\n")}`);
    }
  } finally {
    status.clear();
    gpu.close();
    await Deno.remove(folder, { recursive: true });
  }
}

/** The tables, by the part of the page that they go into: a kind with the dispatches of its first size, or growth. */
function partsOf(
  { figures, results, growth }: SimulateReport,
  kinds: readonly Kind[],
): { section: string; tables: { title: string; cells: Cells }[] }[] {
  const ceilings = ceilingsOf(figures);
  const parts = kinds.map((kind) => {
    const title = kindTitles[kind];
    const first = results.find((result) => result.kind === kind && result.work.length > 0);
    const tables = [{ title, cells: kindCells(kind, results, ceilings) }];
    const learned = results.find((result) => result.kind === kind && result.returns.length > 0);
    if (learned) {
      tables.push({ title: `What was learned, ${sizeText(learned)}`, cells: returnCells(learned) });
    }
    if (first) {
      tables.push({
        title: `A page by dispatch: ${title.toLowerCase()}, ${sizeText(first)}`,
        cells: workCells(first, ceilings),
      });
    }
    return { section: markersOf(kind), tables };
  });
  if (growth.length === 0) return parts;
  const tables = [{ title: "Growth of a page, acting by CDQN", cells: growthCells(growth) }];
  return [...parts, { section: GROWTH, tables }];
}

function sizeText({ users, items, slate }: SimulateResult): string {
  return `${users} users, ${items} items, slates of ${slate}`;
}

/** Different sizes, joined by commas. */
function sizesOf(what: string, least: number, most: number): (text: string) => number[] {
  return (text) => {
    const sizes = text.split(",").map(Number);
    if (sizes.every((n) => Number.isInteger(n) && n >= least && n <= most)) return sizes;
    throw new InvalidArgumentError(`Expected ${what} of ${least}..${most} joined by commas, got "${text}".`);
  };
}

function kindsOf(text: string): Kind[] {
  const names = text.split(",");
  const unknown = names.find((name) => !kinds.some((kind) => kind === name));
  if (unknown === undefined) return kinds.filter((kind) => names.includes(kind));
  throw new InvalidArgumentError(`Expected names of ${kinds.join(", ")}, got "${unknown}".`);
}

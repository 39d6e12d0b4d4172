/**
 * `deno task bench simulate`: pages of simulated users, and what policies cost on them, beside others who do the same. What is
 * compared is in bench/simulate.md.
 */

import * as v from "../src/schema.ts";
import type { AdapterFigure } from "../src/selftest/profile/bench_report.ts";
import type { Command } from "commander";
import { numberOf, wholeNumber } from "../src/cli/options.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { UserError } from "../src/user_error.ts";
import { version } from "../src/version.ts";
import { measureAdapter } from "../src/selftest/profile/adapter_ceilings.ts";
import { type Cells, markdown, onAdapter, Page, printTable, writeRecords } from "./output.ts";
import { findTorches, NO_TORCH, pythonOption } from "./peers/roster.ts";
import {
  measureSimulate,
  measureSimulateGrowth,
  type PeerNote,
  type SimulateGrowth,
  type SimulateResult,
} from "./simulate/measure.ts";
import type { Kind } from "./simulate/runners.ts";
import { growthCells, kindCells, kindTitles, noteLines, returnCells, workCells } from "./simulate/tables.ts";
import { inFolder, namesOf, readmeOption, Status, study, wholesOf } from "./study.ts";
import { ceilingsOf } from "../src/selftest/profile/roofline.ts";

/** A part of the page: what one run measures anew. */
const GROWTH = "bench simulate growth";
/** What peers say of themselves. */
const PEERS = "bench simulate peers";
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

export function command(): Command {
  const own = study(
    "simulate",
    "Measures pages of simulated users: random, by CDQN, greedy, and learned from; beside PyTorch and NumPy that do the same.",
  )
    .option("--items <n,...>", "sizes of the catalogue", wholesOf("items", 64, 2 ** 22), [500, 5000, 50_000])
    .option("--slates <k,...>", "items a page", wholesOf("items a page", 1, 64), [3, 5, 10])
    .option(
      "--users <n>",
      "users that are stepped together, at most; with many items fewer are",
      wholeNumber(1, 2 ** 17),
      4096,
    )
    .option("--kinds <names>", `of ${kinds.join(", ")}`, namesOf(kinds), [...kinds])
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
    .option(...readmeOption("bench simulate KIND", "the tables of what was measured"))
    .addHelpText(
      "after",
      "\nExample, about a minute:\n  deno task bench simulate --items 500 --slates 3 --users 1024 --seconds 1 --no-growth",
    );
  return own.action(() => simulate(own.opts<SimulateOptions>()));
}

/** All that was measured. */
interface SimulateReport {
  readonly figures: readonly AdapterFigure[];
  readonly results: readonly SimulateResult[];
  readonly notes: readonly PeerNote[];
  readonly growth: readonly SimulateGrowth[];
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { items, slates, users, seconds, rounds, learnedPages, json, kinds } = options;
  const { peers } = options;
  const sections = [...kinds.map(markersOf), ...(options.growth ? [GROWTH] : []), ...(peers ? [PEERS] : [])];
  const page = await Page.open(options.readme, ...sections);
  const torches = options.peers ? await findTorches(options.python) : [];
  using status = new Status();
  const say = (text: string) => status.show(text);
  using gpu = await openGpu();
  const { adapter } = gpu;
  const on = onAdapter(adapter);
  console.log(on);
  const figures = await measureAdapter(gpu, Math.min(0.2, seconds), (name) => say(`adapter: ${name}`));
  const plan = { kinds, items, slates, users, seconds, rounds, torches, learnedPages };
  const measured = await inFolder("simulate", (folder) => measureSimulate(gpu, plan, folder, say));
  // Small sizes, of which eight times as much is measured.
  const base = { users: Math.ceil(users / 8), items: Math.min(...items), slate: Math.min(...slates) };
  const growth = options.growth ? await measureSimulateGrowth(gpu, base, seconds, rounds, say) : [];
  status.clear();
  gpu.check();
  const report: SimulateReport = { figures, ...measured, growth };
  const parts = partsOf(report, kinds);
  for (const { title, cells } of parts.flatMap(({ tables }) => tables)) printTable(cells, title);
  const noPeers = options.peers && torches.length === 0 ? [`No peers: ${NO_TORCH}`] : [];
  const notes = [...noteLines(report.notes), ...noPeers];
  for (const line of notes) console.log(line);
  if (json !== undefined) {
    await writeRecords(json, {
      date: new Date().toISOString(),
      version,
      adapter,
      seconds,
      rounds,
      ...report,
    });
  }
  for (const { section, tables } of parts) {
    const own = tables.map(({ title, cells }) => `**${title}**\n\n${markdown(cells)}`);
    await page.write(section, `${on}:`, ...own);
  }
  if (peers) await page.write(PEERS, notes.map((line) => `- ${line}`).join("\n"));
  const wrong = report.notes.filter(({ wrong }) => wrong);
  if (wrong.length > 0) {
    throw new UserError(`Expected peers that compute what clickgan does:\n${noteLines(wrong).join("\n")}`);
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

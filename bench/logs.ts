/**
 * Made-up logs with planted truths: `deno task bench logs OUT` writes them as CSV, prepares each by `data log` as a user
 * would, and tells what a model can attain on their test users.
 * Figures from the history are what a model can come near; those of the truth need what no log tells.
 */

import { Argument, type Command } from "commander";
import { folder, LARGEST_SEED, parseWholeNumber } from "../src/cli/command_options.ts";
import { quoteShellWord } from "../src/cli/arguments.ts";
import { formatTable } from "../src/cli/table.ts";
import { allowFolder } from "../src/cli/outputs.ts";
import { makeFolder, writeAtomically, writeFileAtomically } from "../src/files/atomic_write.ts";
import { pathExists } from "../src/files/local_file.ts";
import { formatLiteral, SqlEngine } from "../src/data/prepare/sql_engine.ts";
import { UserError } from "../src/user_error.ts";
import { type GeneratedLog, type GeneratedPage, kinds, type LogKind, logRows, makeLog } from "./logs/make.ts";
import {
  createOnlyOption,
  createStudy,
  printTable,
  runCommand,
  selectMatching,
  writeRecords,
} from "./study.ts";

interface Options {
  readonly only: RegExp;
  readonly seed: number;
  readonly users?: number;
}

export function createCommand(): Command {
  const own = createStudy(
    "logs",
    "Makes logs with a planted truth. OUT gets of each NAME.csv, NAME_items.csv where something is known of the items, " +
      "NAME (prepared by data log) and NAME.json: what can be attained on the test users.",
  )
    .addArgument(new Argument("<out>", "the folder for them").argParser(folder))
    .addOption(createOnlyOption("the logs whose name"))
    .option("--seed <n>", "seed of the logs", parseWholeNumber(0, LARGEST_SEED), 1)
    .option("--users <n>", "users of each log (default: as many as each has)", parseWholeNumber(100, 100_000))
    .addHelpText(
      "after",
      "\n" + formatTable(["log", "what is planted"], kinds.map((k) => [k.name, k.about])),
    );
  return own.action((out: string) => logs(out, own.opts<Options>()));
}

async function logs(out: string, options: Options): Promise<void> {
  const chosen = selectMatching(kinds, options.only, "a log");
  allowFolder({ by: "the folder", path: out });
  await makeFolder(out);
  const rows: string[][] = [];
  for (const kind of chosen) rows.push(await makeAndPrepare(`${out}/${kind.name}`, kind, options));
  printTable({ head: HEAD, rows });
}

const HEAD = [
  "log",
  "users",
  "items",
  "pages",
  "no click",
  "loss: truth",
  "history",
  "prec@1: truth",
  "history",
];

/** @returns the row of the table */
async function makeAndPrepare(to: string, kind: LogKind, { seed, users }: Options): Promise<string[]> {
  if (await pathExists(to)) {
    throw new UserError(`Expected no ${to} yet, found it. Take another folder, or remove it.`);
  }
  const log = makeLog(kind, seed, users);
  const encoder = new TextEncoder();
  await writeAtomically(`${to}.csv`, async (write) => {
    for (const rows of logRows(log)) await write(encoder.encode(rows));
  });
  if (log.itemRows) await writeFileAtomically(`${to}_items.csv`, log.itemRows.join("\n") + "\n");
  const args = [
    ...["log", "--source", `${to}.csv`, "--user", "user", "--item", "item", "--time", "time"],
    ...["--clicked", "clicked", "--page", "page", "--position", "position"],
    ...log.itemRows ? ["--features", `${to}_items.csv`] : [],
    ...["--out", to],
  ];
  console.error(`deno task data ${args.map(quoteShellWord).join(" ")}`);
  await runCommand("data", args);
  const figures = attainable(log, await testUsers(to));
  const pages = log.pages.flat();
  const clicks = pages.reduce((sum, page) => sum + page.clicks.length, 0);
  const counts = { users: log.pages.length, items: kind.items, pages: pages.length, clicks };
  await writeRecords(`${to}.json`, { format: "clickgan-attainable", kind, seed, counts, test: figures });
  const { noClick, truth, history } = figures;
  const digits = [truth.loss, history.loss, truth.prec1, history.prec1].map((figure) => figure.toFixed(3));
  const sizes = [counts.users, counts.items, counts.pages].map((count) => count.toLocaleString("en"));
  return [kind.name, ...sizes, `${(100 * noClick).toFixed(1)} %`, ...digits];
}

/** The test users of a prepared set, by their numbers in the log. */
async function testUsers(set: string): Promise<number[]> {
  const engine = await SqlEngine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    const rows = await engine.rows(`FROM ${formatLiteral(`${set}/users.parquet`)} WHERE split = 'test'`);
    return rows.map(({ id }) => Number(String(id).slice(1)));
  } finally {
    engine.close();
  }
}

// What a model of a made-up log can attain: the figures of those who know its truth.

/** Means over pages of one who predicts. "Drawn" is what did happen: a model's figures of these users have the same luck. */
interface Figures {
  /** -log P of the first click of a page, or of none: the mean over what may happen on the pages that were shown. */
  readonly loss: number;
  readonly drawnLoss: number;
  /** How often the first click, where there is one, is on the item that is ranked first. */
  readonly prec1: number;
  readonly drawnPrec1: number;
  /** How often any of the clicks is on it. */
  readonly drawnAnyPrec1: number;
  /** -log P of the clicks after the first, each among the items that are left; null where there are none. */
  readonly drawnLaterLoss: number | null;
}

interface Attainable {
  readonly pages: number;
  /** Probability that nothing is clicked, the mean of all pages. */
  readonly noClick: number;
  /** Of one who knows the items and the type of each user: no model can be better. */
  readonly truth: Figures;
  /** Of one who knows the items and all types, but of a user only what was clicked before: what can be attained. */
  readonly history: Figures;
}

/** @param users whose pages count */
function attainable(log: GeneratedLog, users: Iterable<number>): Attainable {
  const { types, items } = log.kind;
  const truth = zeros(), history = zeros();
  for (const user of users) {
    const own = log.typeOf[user]!;
    let posterior = Array.from({ length: types }, () => 1 / types);
    for (const page of log.pages[user]!) {
      const weights = posterior.map((_, t) =>
        page.items.map((item, k) => Math.exp(log.utility[t * items + item]! + page.shift[k]!))
      );
      // The first choice may be none; later ones are there where there was a click.
      for (let step = 0; step < Math.max(1, page.clicks.length); step++) {
        for (const ofType of weights) if (step > 0) ofType[page.clicks[step - 1]!] = 0;
        const of = weights.map((ofType) => chances(ofType, step === 0 ? 1 : 0));
        const mixture = [...page.items, 0].map((_, k) =>
          posterior.reduce((sum, p, t) => sum + p * of[t]![k]!, 0)
        );
        add(truth, page, step, of[own]!, of[own]!);
        add(history, page, step, of[own]!, mixture);
        const happened = page.clicks[step] ?? page.items.length;
        posterior = posterior.map((p, t) => p * of[t]![happened]! / mixture[happened]!);
      }
    }
  }
  const { pages, none } = truth;
  return { pages, noClick: none / pages, truth: computeMetrics(truth), history: computeMetrics(history) };
}

/** Probabilities of the items, and of none. */
function chances(weights: readonly number[], none: number): number[] {
  const sum = weights.reduce((a, b) => a + b, none);
  return [...weights, none].map((weight) => weight / sum);
}

const zeros = () => ({
  ...{ pages: 0, none: 0, loss: 0, drawnLoss: 0, hits: 0 },
  ...{ clicked: 0, drawnHits: 0, anyHits: 0, later: 0, laterLoss: 0 },
});
type Sums = ReturnType<typeof zeros>;

/** Adds a choice on a page, its first or a later one. @param of its true chances @param by those of who predicts */
function add(
  sums: Sums,
  { items, clicks }: GeneratedPage,
  step: number,
  of: readonly number[],
  by: readonly number[],
) {
  const none = items.length;
  const drawn = -Math.log(by[clicks[step] ?? none]!);
  if (step > 0) {
    sums.later++;
    sums.laterLoss += drawn;
    return;
  }
  const top = items.reduce((best, _, k) => by[k]! > by[best]! ? k : best, 0);
  sums.pages++;
  sums.none += of[none]!;
  sums.loss -= of.reduce((sum, p, k) => sum + p * Math.log(by[k]!), 0);
  sums.drawnLoss += drawn;
  sums.hits += of[top]!;
  if (clicks.length > 0) sums.clicked++;
  if (clicks[0] === top) sums.drawnHits++;
  if (clicks.includes(top)) sums.anyHits++;
}

function computeMetrics(sums: Sums): Figures {
  const { pages, clicked, later } = sums;
  return {
    loss: sums.loss / pages,
    drawnLoss: sums.drawnLoss / pages,
    prec1: sums.hits / (pages - sums.none),
    drawnPrec1: sums.drawnHits / clicked,
    drawnAnyPrec1: sums.anyHits / clicked,
    drawnLaterLoss: later > 0 ? sums.laterLoss / later : null,
  };
}

/**
 * `deno task bench logs OUT`: writes synthetic logs as CSV, prepares each log with `data log`, and computes the best
 * attainable metrics on the test users from the known click probabilities. A model can approach the metrics named
 * "history". The metrics named "truth" need the types of the users, which are not in the log.
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
    "Writes synthetic logs with known click probabilities. Files per log in OUT: NAME.csv; NAME_items.csv " +
      "if items have features; NAME, a set by data log; NAME.json, attainable metrics on the test users.",
  )
    .addArgument(new Argument("<out>", "output folder").argParser(folder))
    .addOption(createOnlyOption("logs whose name"))
    .option("--seed <n>", "seed of the logs", parseWholeNumber(0, LARGEST_SEED), 1)
    .option("--users <n>", "users per log (default: depends on the log)", parseWholeNumber(100, 100_000))
    .addHelpText("after", "\n" + formatTable(["log", "effects"], kinds.map((k) => [k.name, k.about])));
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

const HEAD = ["log", "users", "items", "pages", "no click"]
  .concat("loss: truth", "history", "prec@1: truth", "history");

async function makeAndPrepare(to: string, kind: LogKind, { seed, users }: Options): Promise<string[]> {
  if (await pathExists(to)) {
    throw new UserError(`Expected no folder ${to}, found one. Use another folder, or remove it.`);
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
  console.error(`deno task -q data ${args.map(quoteShellWord).join(" ")}`);
  await runCommand("data", args);
  const metrics = computeAttainable(log, await readTestUsers(to));
  const pages = log.pages.flat();
  const clicks = pages.reduce((sum, page) => sum + page.clicks.length, 0);
  const counts = { users: log.pages.length, items: kind.items, pages: pages.length, clicks };
  await writeRecords(`${to}.json`, { format: "clickgan-attainable", kind, seed, counts, test: metrics });
  const { noClick, truth, history } = metrics;
  const digits = [truth.loss, history.loss, truth.prec1, history.prec1].map((metric) => metric.toFixed(3));
  const sizes = [counts.users, counts.items, counts.pages].map((count) => count.toLocaleString("en"));
  return [kind.name, ...sizes, `${(100 * noClick).toFixed(1)} %`, ...digits];
}

/** Returns the numbers of a prepared set's test users. */
async function readTestUsers(set: string): Promise<number[]> {
  const engine = await SqlEngine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    const rows = await engine.rows(`FROM ${formatLiteral(`${set}/users.parquet`)} WHERE split = 'test'`);
    return rows.map(({ id }) => Number(String(id).slice(1)));
  } finally {
    engine.close();
  }
}

// Computes the attainable metrics from the log's true utilities.

/** Means over pages. Fields named "drawn..." use the drawn clicks, as a model's metrics do; all other fields are expectations. */
interface AttainableMetrics {
  /** Expected -log P of a page's first click, or of no click. */
  readonly loss: number;
  readonly drawnLoss: number;
  /** Probability that the first click, if any, is on the top item. */
  readonly prec1: number;
  readonly drawnPrec1: number;
  /** Share of the pages with a click that have a click on the top item. */
  readonly drawnAnyPrec1: number;
  /** Mean -log P of each later click among the items that remain; null if no page has a later click. */
  readonly drawnLaterLoss: number | null;
}

interface Attainable {
  readonly pages: number;
  /** Probability that a page gets no click, averaged over pages. */
  readonly noClick: number;
  /** Metrics of a predictor that knows all items and each user's type: no model can be better. */
  readonly truth: AttainableMetrics;
  /** Metrics of a predictor that knows all items, all types and a user's earlier clicks: a model can attain them. */
  readonly history: AttainableMetrics;
}

function computeAttainable(log: GeneratedLog, users: Iterable<number>): Attainable {
  const { types, items } = log.kind;
  const truth = zeros(), history = zeros();
  for (const user of users) {
    const own = log.typeOf[user]!;
    let posterior = Array.from({ length: types }, () => 1 / types);
    for (const page of log.pages[user]!) {
      const weights = posterior.map((_, t) =>
        page.items.map((item, k) => Math.exp(log.utility[t * items + item]! + page.shift[k]!))
      );
      // A page's first choice can be no click. A later choice is always a click.
      for (let step = 0; step < Math.max(1, page.clicks.length); step++) {
        for (const ofType of weights) if (step > 0) ofType[page.clicks[step - 1]!] = 0;
        const of = weights.map((ofType) => computeProbabilities(ofType, step === 0 ? 1 : 0));
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

/** Returns the probability of each item, and last the probability of no click. @param none - weight of no click */
function computeProbabilities(weights: readonly number[], none: number): number[] {
  const sum = weights.reduce((a, b) => a + b, none);
  return [...weights, none].map((weight) => weight / sum);
}

const zeros = () => ({
  ...{ pages: 0, none: 0, loss: 0, drawnLoss: 0, hits: 0 },
  ...{ clicked: 0, drawnHits: 0, anyHits: 0, later: 0, laterLoss: 0 },
});
type Sums = ReturnType<typeof zeros>;

/** Adds one choice on a page. @param of - true probabilities of the choice @param by - predicted probabilities */
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

function computeMetrics(sums: Sums): AttainableMetrics {
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

/**
 * Made-up logs with planted truths: `deno task bench logs OUT` writes them as CSV, prepares each by `data log` as a user
 * would, and tells what a model can attain on their test users.
 * Figures from the history are what a model can come near; those of the truth need what no log tells.
 */

import { Argument, type Command } from "commander";
import { folder, LARGEST_SEED, wholeNumber } from "../src/cli/options.ts";
import { shellWord } from "../src/cli/arguments.ts";
import { table } from "../src/cli/table.ts";
import { atomicWrite, atomicWriteFile } from "../src/run/files/atomic_write.ts";
import { exists } from "../src/run/files/file_error.ts";
import { Engine, literal } from "../src/data/prepare/engine.ts";
import { UserError } from "../src/user_error.ts";
import { attainable } from "./logs/attainable.ts";
import { type Kind, kinds, logRows, makeLog } from "./logs/make.ts";
import { printTable, writeRecords } from "./output.ts";
import { matching, onlyOption, runCommand, study } from "./study.ts";

interface Options {
  readonly only: RegExp;
  readonly seed: number;
  readonly users?: number;
}

export function command(): Command {
  const own = study(
    "logs",
    "Makes logs with a planted truth. OUT gets of each NAME.csv, NAME_items.csv where something is known of the items, " +
      "NAME (prepared by data log) and NAME.json: what can be attained on the test users.",
  )
    .addArgument(new Argument("<out>", "the folder for them").argParser(folder))
    .addOption(onlyOption("the logs whose name"))
    .option("--seed <n>", "seed of the logs", wholeNumber(0, LARGEST_SEED), 1)
    .option("--users <n>", "users of each log (default: as many as each has)", wholeNumber(100, 100_000))
    .addHelpText("after", "\n" + table(["log", "what is planted"], kinds.map((k) => [k.name, k.about])));
  return own.action((out: string) => logs(out, own.opts<Options>()));
}

async function logs(out: string, options: Options): Promise<void> {
  const chosen = matching(kinds, options.only, "a log");
  await Deno.mkdir(out, { recursive: true });
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
async function makeAndPrepare(to: string, kind: Kind, { seed, users }: Options): Promise<string[]> {
  if (await exists(to)) {
    throw new UserError(`Expected no ${to} yet, found it. Take another folder, or remove it.`);
  }
  const log = makeLog(kind, seed, users);
  const encoder = new TextEncoder();
  await atomicWrite(`${to}.csv`, async (write) => {
    for (const rows of logRows(log)) await write(encoder.encode(rows));
  });
  if (log.itemRows) await atomicWriteFile(`${to}_items.csv`, log.itemRows.join("\n") + "\n");
  const args = [
    ...["log", "--source", `${to}.csv`, "--user", "user", "--item", "item", "--time", "time"],
    ...["--clicked", "clicked", "--page", "page", "--position", "position"],
    ...log.itemRows ? ["--features", `${to}_items.csv`] : [],
    ...["--out", to],
  ];
  console.error(`deno task data ${args.map(shellWord).join(" ")}`);
  await runCommand("data", args);
  const figures = attainable(log, await testUsers(to));
  const pages = log.pages.flat();
  const clicks = pages.reduce((sum, page) => sum + page.clicks.length, 0);
  const counts = { users: log.pages.length, items: kind.items, pages: pages.length, clicks };
  await writeRecords(`${to}.json`, { kind, seed, counts, test: figures });
  const { noClick, truth, history } = figures;
  const digits = [truth.loss, history.loss, truth.prec1, history.prec1].map((figure) => figure.toFixed(3));
  const sizes = [counts.users, counts.items, counts.pages].map((count) => count.toLocaleString("en"));
  return [kind.name, ...sizes, `${(100 * noClick).toFixed(1)} %`, ...digits];
}

/** The test users of a prepared set, by their numbers in the log. */
async function testUsers(set: string): Promise<number[]> {
  const engine = await Engine.open({ workFolder: "", memory: "500MB", threads: 1 });
  try {
    const rows = await engine.rows(`FROM ${literal(`${set}/users.parquet`)} WHERE split = 'test'`);
    return rows.map(({ id }) => Number(String(id).slice(1)));
  } finally {
    engine.close();
  }
}

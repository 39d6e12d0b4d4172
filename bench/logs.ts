/** `deno task bench logs OUT`: writes synthetic logs as CSV, and prepares each log with `data log`. */

import { Argument, type Command } from "commander";
import { folder, LARGEST_SEED, parseWholeNumber } from "../src/cli/command_options.ts";
import { quoteShellWord } from "../src/shell_word.ts";
import { formatTable } from "../src/cli/table.ts";
import { allowFolder } from "../src/cli/outputs.ts";
import { makeFolder, writeAtomically, writeFileAtomically } from "../src/files/atomic_write.ts";
import { pathExists } from "../src/files/local_file.ts";
import { UserError } from "../src/user_error.ts";
import { kinds, type LogKind, logRows, makeLog } from "./logs/make.ts";
import {
  createOnlyOption,
  createStudy,
  formatPercentCell,
  printTable,
  runCommand,
  selectMatching,
} from "./study.ts";

interface Options {
  readonly only: RegExp;
  readonly seed: number;
  readonly users?: number;
}

export function createCommand(): Command {
  const own = createStudy(
    "logs",
    "Writes synthetic logs with known causes of clicks. Each log in OUT has NAME.csv, NAME_items.csv " +
      "(if items have features), and a folder NAME, which data log prepares.",
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

const HEAD = ["log", "users", "items", "pages", "no click"];

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
  const pages = log.pages.flat();
  const clickless = pages.filter(({ clicks }) => clicks.length === 0).length / pages.length;
  const sizes = [log.pages.length, kind.items, pages.length].map((count) => count.toLocaleString("en"));
  return [kind.name, ...sizes, formatPercentCell(clickless)];
}

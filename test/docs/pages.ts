/** Reads links, headings and commands of Markdown pages, and runs commands in a folder of small files. */

import assert from "node:assert/strict";
import { globSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { formatLiteral } from "../../src/data/prepare/sql_engine.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { type CommandName, splitArgs, writePaperFile } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { makeLongLog } from "../faults/scenarios.ts";
import { writeParquet } from "../prepared_folder.ts";

const root = new URL("../../", import.meta.url);

export interface MarkdownPage {
  readonly path: string;
  readonly text: string;
}

export interface ShownCommand {
  readonly page: string;
  readonly task: string;
  readonly args: readonly string[];
  readonly line: string;
}

const SKIPPED = /^(\..*|node_modules|runs|out)$/;

export function readPages(): MarkdownPage[] {
  const exclude = (path: string) => SKIPPED.test(basename(path));
  const paths = globSync("**/*.md", { cwd: fileURLToPath(root), exclude });
  return paths.sort().map((path) => ({ path, text: Deno.readTextFileSync(new URL(path, root)) }));
}

export function findBrokenLinks({ path, text }: MarkdownPage): string[] {
  const prose = text.replace(/```[^]*?```/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? "").filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [file = "", anchor] = target.split("#");
    const at = file === "" ? new URL(path, root) : new URL(file, new URL(path, root));
    try {
      const page = Deno.statSync(at).isDirectory ? new URL(`${at.href.replace(/\/$/, "")}/README.md`) : at;
      return anchor !== undefined && !anchors(Deno.readTextFileSync(page)).includes(anchor);
    } catch {
      return true;
    }
  });
}

function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading ?? "").toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

export function listShownCommands({ path, text }: MarkdownPage): ShownCommand[] {
  return [...text.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block]) =>
    (block ?? "").split("\n").flatMap((full) => {
      const line = full.replace(/\s#.*$/, "").trim();
      const [, quiet, command] = line.match(/^(?:npx -y deno@[\d.]+|deno) task (-q )?(.*)$/) ?? [];
      if (command === undefined) return [];
      assert.ok(
        quiet,
        `${path}: ${line}: expected -q, without which Deno prints the task's own command line`,
      );
      const [task = "", ...args] = splitArgs(command);
      return [{ page: path, task, args, line }];
    })
  );
}

/** Commands that are not run as shown. The values name the test that runs them, or say why none does. */
const NOT_RUN: Readonly<Record<string, string>> = {
  ok: "it runs this test",
  test: "it runs this test",
  "test:special faults": "faults_test.ts: the same functions, fewer points",
  "test:special external":
    "it needs Spark, Open MPI, Gymnasium, Open Bandit Pipeline and a compiler for GPUs",
  "test:special sizes": "it needs minutes; its files run with fewer sizes",
  bench: "bench_test.ts, ladder_test.ts",
  "bench peers": "peers_test.ts",
  "bench compiled": "compiled_test.ts: two kernels, for one GPU",
  "bench logs": "bench_test.ts: two logs, with fewer users",
  "bench trials": "trials_test.ts: stored trainings; all trainings take hours",
  selftest: "selftest_test.ts",
  lab: "lab_test.ts: what it serves and writes, in a browser",
  serve: "serve_test.ts",
  exercise: "exercise_test.ts",
  "build report": "report_test.ts: the bundle is what the sources give",
  "build package": "test/external/package.ts",
};

export function isNotRun({ task, args: [first] }: ShownCommand): boolean {
  return Object.hasOwn(NOT_RUN, task) || Object.hasOwn(NOT_RUN, `${task} ${first}`);
}

/**
 * Options that shorten a command (if an option is repeated, its last value is used). The numbers of users and
 * of items per slate equal those of other tests, to share shaders that depend on these numbers.
 */
const SHORTER: Readonly<Record<string, readonly string[]>> = {
  train: splitArgs("--iterations 4 --validate-every 2 --batch-size 12 --no-autotune --no-report"),
  simulate: splitArgs("--users 50 --pages 3 --slate 2"),
  "policy train": splitArgs(
    "--steps 384 --users 64 --pages 3 --slate 2 --rows 64 --hidden 8 --trunk 8 --evaluation-users 50",
  ),
  "policy compare": splitArgs("--users 50 --optimum coarse"),
  "policy rank": [],
};
const SHORTER_ADVERSARIAL = splitArgs(
  "--adversarial 4 --adversarial-validate-every 2 --adversarial-batch-size 12",
  "--generator-warmup 1 --behaviour-dims 8",
);

/** Returns options for a model that has the layer sizes of other tests' models, to share their shaders. */
function smaller(task: string, args: readonly string[]): string[] {
  const says = (option: string) => args.includes(option);
  if (task !== "train" || says("--resume") || says("--init") || says("none")) return [];
  // With a synthetic shop's many users, fitting counts would take as long as all other work.
  const counts = says("restless") || !says("--data") ? ["--counts", "none"] : [];
  return ["--dims", "8", ...(says("--encoder") ? [] : ["--lstm-units", "4"]), ...counts];
}

/** Writes the logs that the pages' commands read. */
export async function writeLogs(folder: string): Promise<void> {
  for (const name of ["yelp.txt", "rsc.txt", "log.tsv"]) {
    writePaperFile(`${folder}/${name}`, createSmallLog(31, { users: 90, items: 30, width: 0 }));
  }
  await makeLongLog(folder);
  await Deno.mkdir(`${folder}/logs`);
  const log = formatLiteral(`${folder}/log.csv`);
  await writeParquet(
    `${folder}/logs/day1.parquet`,
    `SELECT user AS uid, item AS sku, time AS ts, clicked AS label FROM ${log}`,
  );
  const items = await Deno.readTextFile(`${folder}/items.csv`);
  await Deno.writeTextFile(`${folder}/items.csv`, items.replace("item,", "sku,"));
}

/** Runs a command in a folder, removes the runs that are named by the time, and returns the printed text. */
export async function runShown(folder: string, command: ShownCommand): Promise<string> {
  const { page, task, line } = command;
  const series = new CommandSeries(task as CommandName, { cwd: folder });
  const { code, stdout, stderr } = await series.run(shortenArguments(command));
  assert.equal(code, 0, `${page}: ${line}\n${stderr}`);
  for (const name of globSync("runs/*-????????-??????", { cwd: folder })) {
    await Deno.remove(`${folder}/${name}`, { recursive: true });
  }
  return stdout;
}

function shortenArguments({ task, args }: ShownCommand): string[] {
  const begins = !args.includes("--resume");
  const name = task === "policy" ? `policy ${args[0]}` : task;
  const shorter = begins ? SHORTER[name] ?? [] : task === "policy" ? [] : ["--no-report"];
  const game = task === "train" && args.includes("--adversarial") ? SHORTER_ADVERSARIAL : [];
  const seeds = task === "train" && args.includes("--seeds") ? ["--seeds", "2"] : [];
  return [...args, ...shorter, ...game, ...seeds, ...smaller(task, args)];
}

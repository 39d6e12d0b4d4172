/** The Markdown pages of the repository: their links, headings and commands. */

import { globSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { words } from "../command_check.ts";

const root = new URL("../../", import.meta.url);

export interface Page {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** A command as a page shows it. */
export interface ShownCommand {
  readonly page: string;
  /** "train". */
  readonly task: string;
  readonly args: readonly string[];
  /** As it stands, without its comment. */
  readonly line: string;
}

/** Folders without pages of the repository. */
const SKIPPED = /^(\..*|node_modules|runs|out)$/;

/** All pages, sorted. */
export function pages(): Page[] {
  const exclude = (path: string) => SKIPPED.test(basename(path));
  const paths = globSync("**/*.md", { cwd: fileURLToPath(root), exclude });
  return paths.sort().map((path) => ({ path, text: Deno.readTextFileSync(new URL(path, root)) }));
}

/** Relative links that lead nowhere: to no file, or to no heading of it. */
export function brokenLinks({ path, text }: Page): string[] {
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

/** What a heading is linked by. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    (heading ?? "").toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-")
  );
}

/** The commands in the shell blocks of a page, in order. */
export function shownCommands({ path, text }: Page): ShownCommand[] {
  return [...text.matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block]) =>
    (block ?? "").split("\n").flatMap((full) => {
      const line = full.replace(/\s#.*$/, "").trim();
      const [, command] = line.match(/^(?:npx -y deno@[\d.]+|deno) task (.*)$/) ?? [];
      if (command === undefined) return [];
      const [task = "", ...args] = words(command);
      return [{ page: path, task, args, line }];
    })
  );
}

/** Commands that are not run as they stand, by task, or by task and its first word: the test that runs it otherwise, or why none does. */
const NOT_RUN: Readonly<Record<string, string>> = {
  ok: "it is what runs this test",
  test: "it is what runs this test",
  "test:special faults": "faults_test.ts: the same functions, fewer points",
  "test:special external":
    "it needs Spark, Open MPI, Gymnasium, Open Bandit Pipeline and a compiler for GPUs",
  "test:special soak": "soak_trend_test.ts, held_memory_test.ts: its parts",
  bench: "bench_test.ts, ladder_test.ts",
  "bench peers": "peers_test.ts",
  "bench compiled": "compiled_test.ts: two kernels, for one GPU",
  "bench logs": "bench_test.ts: two logs, with fewer users",
  "bench serve": "serve_command_test.ts: its load, with fewer requests",
  "bench results": "results_test.ts: the tables, of made-up outcomes; the trainings take hours",
  "bench truth": "exact_shop_test.ts: a row, with fewer users",
  selftest: "selftest_test.ts",
  lab: "lab_test.ts: what it serves and writes, in a browser",
  "test:special gallery": "it needs a browser and minutes; lab_draw_test.ts looks at the pictures",
  "test:special adapters":
    "selftest_test.ts: its tables, of made-up outcomes; it needs a browser and minutes",
  serve: "serve_command_test.ts",
  exercise: "exercise_test.ts",
  "build report": "report_test.ts: the bundle is what the sources give",
  "build package": "package_test.ts",
  "build kernels": "the ladders of the panels are what is generated",
};

/** Whether a command of the pages is not run as it stands. */
export function isNotRun({ task, args: [first] }: ShownCommand): boolean {
  return Object.hasOwn(NOT_RUN, task) || Object.hasOwn(NOT_RUN, `${task} ${first}`);
}

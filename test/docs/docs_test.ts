import assert from "node:assert/strict";
import { loadCommand, runBenchCommand } from "../../bench/main.ts";
import { readTask, type TaskName } from "../../src/cli/launch.ts";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { exercises } from "../../src/exercise/exercises.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { parseReproduceOptions } from "../../src/commands/reproduce/reproduce_options.ts";
import { parseTrainOptions } from "../../src/commands/train/train_options.ts";
import { parseTuneOptions } from "../../src/commands/tune/tune_options.ts";
import { runProcess, runScript, writePaperFile } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import type { MarkdownPage, ShownCommand } from "./pages.ts";
import { findBrokenLinks, isNotRun, listShownCommands, readPages, runShown, writeLogs } from "./pages.ts";

const root = new URL("../../", import.meta.url);
const { name, tasks }: { name: string; tasks: Record<string, { command: string }> } = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", root)),
);

/** Commands that are only parsed, because the named tests run these commands in a shortened form. */
const PARSED: Readonly<Record<string, string>> = {
  "README.md: npx -y deno@2.9.6 task -q train": "learning_test.ts, with fewer iterations",
  "src/run/README.md: deno task -q train --data restless --data-seed 1 --save-dir runs/restless":
    "demo_shop_test.ts: what the shops hold",
  "src/run/README.md: deno task -q evaluate --model runs/restless --data restless --data-seed 1 --data-users-seed 2":
    "demo_shop_test.ts: users of another seed",
  "src/run/README.md: deno task -q reproduce --data yelp.txt": "reproduce_test.ts, of two models",
  "src/tune/experiment/README.md: deno task -q reproduce --data yelp.txt --readme src/tune/experiment/README.md":
    "reproduce_test.ts, of two models",
  "src/tune/experiment/README.md: deno task -q reproduce --data rsc.txt --seeds 2 --models baseline-64-64,fine-tuned-64-64":
    "reproduce_test.ts, of another log",
  "README.md: deno task -q tune --data runs/data/mine --budget 10": "tune_test.ts, of another log",
  "src/run/README.md: deno task -q tune --data log.tsv --budget 10": "tune_test.ts, of another log",
  "src/run/README.md: deno task -q tune --data log.tsv --budget 30": "tune_test.ts, of another log",
};
const PARSERS: Readonly<Record<string, (args: readonly string[]) => unknown>> = {
  train: parseTrainOptions,
  reproduce: parseReproduceOptions,
  tune: parseTuneOptions,
};

const POLICIES = "src/policy/README.md";
const RUN = ["README.md", "src/run/README.md", "src/simulate/README.md", POLICIES];
/** Page whose commands data_command_test.ts runs unchanged. */
const GUIDE = "data/README.md";
/** Page whose commands test/external/spark.ts checks: the Spark job prints them. */
const SPARK = "data/spark/README.md";

Deno.test("pages: every link leads to an existing file and heading", () => {
  const broken = readPages().flatMap((page) =>
    findBrokenLinks(page).map((target) => `${page.path}: ${target}`)
  );
  assert.deepEqual(broken, []);
});

Deno.test("pages: every command is a task, and is run by a test", () => {
  const strange = readPages().flatMap(listShownCommands).filter((command) =>
    !Object.hasOwn(tasks, command.task) ||
    !(isNotRun(command) || isParsed(command) || [...RUN, GUIDE, SPARK].includes(command.page))
  );
  assert.deepEqual(strange.map(({ page, line }) => `${page}: ${line}`), []);
});

/** Expected output of each page's script, which runs after the page's commands. */
const PRINTED: Readonly<Record<string, [page: keyof typeof SCRIPTS, place: number, says: RegExp]>> = {
  "README.md": ["src/README.md", 1, /^recommended \S+ -?\d\S*\nreward's loss -?\d/],
  [POLICIES]: [POLICIES, 0, /^(show \d+ -?\d\S* 0\.\d+\n){2}no click 0\.\d+ predicted return -?\d/],
};

for (const path of RUN) {
  Deno.test(`pages: the commands of ${path} run as shown, except iterations and sizes`, () =>
    withEmptyFolder(async (folder) => {
      const page = readPages().find((page) => page.path === path) ?? assert.fail(`no page ${path}`);
      const shown = listShownCommands(page).filter((command) => !isNotRun(command) && !isParsed(command))
        .flatMap((command) => [...neededBy(command), command]);
      assert.ok(shown.length > 0);
      await writeLogs(folder);
      for (const command of shown) assert.notEqual(await runShown(folder, command), "", command.line);
      const [script, place, says] = PRINTED[path] ?? [];
      if (script && says) assert.match(await printed(script, folder, place), says);
    }));
}

function isParsed({ page, line }: ShownCommand): boolean {
  return Object.hasOwn(PARSED, `${page}: ${line}`);
}

Deno.test("pages: commands that differ from a tested one by options only are parsed", async () => {
  const parsed = readPages().flatMap(listShownCommands).filter(isParsed);
  assert.equal(parsed.length, Object.keys(PARSED).length);
  for (const command of parsed) {
    const parse = PARSERS[command.task];
    if (parse) parse(command.args);
    else await expectOptions(command);
  }
});

function neededBy(command: ShownCommand): ShownCommand[] {
  if (!command.args.includes("runs/lstm")) return [];
  return [{ ...command, task: "train", args: ["--data", "log.tsv", "--save-dir", "runs/lstm"] }];
}

Deno.test("pages: the options of the slow trials are accepted", async () => {
  const shown = readPages().flatMap(listShownCommands).filter(({ task, args: [study = ""] }) =>
    task === "bench" && study === "trials"
  );
  assert.ok(shown.length >= 1);
  for (const { args, line } of shown) {
    await assert.rejects(
      runBenchCommand([...args, "--readme", "nowhere/page.md"]),
      /nowhere\/page\.md/,
      line,
    );
  }
});

const SCRIPTS = { "kernels/README.md": 1, "src/README.md": 2, "src/simulate/README.md": 1, [POLICIES]: 1 };

function listScripts({ text }: MarkdownPage): string[] {
  const shown = [...text.matchAll(/```ts\n([^]*?)```/g)].map(([, script = ""]) => script);
  return shown.filter((script) => script.includes(`"${name}"`));
}

const CONFIG = ["--config", new URL("deno.json", root).pathname];

Deno.test("pages: the types of every whole script are checked by deno task check types", () => {
  const found = readPages().map((page) => [page.path, listScripts(page).length] as const).filter((
    [, count],
  ) => count);
  assert.deepEqual(Object.fromEntries(found), SCRIPTS);
  const chores = Deno.readTextFileSync(new URL("src/cli/chores.ts", root));
  for (const path of Object.keys(SCRIPTS)) assert.ok(chores.includes(`"${path}"`), path);
});

Deno.test("code that a page quotes from a file matches the file line by line", () => {
  let excerpts = 0;
  for (const page of readPages()) {
    for (
      const [, path = "", code = ""] of page.text.matchAll(/```\w+\n\/\/ ((?:src|kernels)\/\S+)\n([^]*?)```/g)
    ) {
      excerpts++;
      const lines = Deno.readTextFileSync(new URL(path, root)).split("\n").map((line) => line.trim());
      let from = 0;
      for (
        const line of code.split("\n").map((line) => line.replace(/(^| +)\/\/ .*$/, "").trim()).filter(
          Boolean,
        )
      ) {
        const at = lines.indexOf(line, from);
        assert.ok(at >= 0, `${page.path}: expected "${line}" in ${path}, after the lines before it`);
        from = at + 1;
      }
    }
  }
  assert.ok(excerpts > 0);
});

async function printed(path: keyof typeof SCRIPTS, cwd: string = root.pathname, place = 0): Promise<string> {
  const page = readPages().find((page) => page.path === path) ?? assert.fail(path);
  const script = new URL(
    `data:text/typescript,${encodeURIComponent(listScripts(page)[place] ?? assert.fail(path))}`,
  );
  const { code, stdout, stderr } = await runScript(script, ["--allow-read", ...CONFIG], [], { cwd });
  assert.equal(code, 0, stderr);
  return stdout;
}

Deno.test("the example of simulated users runs, and greedy slates beat random slates", async () => {
  const stdout = await printed("src/simulate/README.md");
  const [random = 0, greedy = 0] = ["random", "greedy"].map((name) =>
    Number(stdout.match(new RegExp(`^${name} clicks ([0-9.]+)`, "m"))?.[1])
  );
  assert.ok(random > 4.5 && random < 6 && greedy > 9.5 && greedy < 11.5, stdout);
  assert.match(stdout, /^page 1 /m);
});

Deno.test("the library's example and a page's kernel run", async () => {
  const stdout = await printed("src/README.md");
  const losses = [...stdout.matchAll(/^step \d+: loss (\d+\.\d+)/gm)].map((m) => Number(m[1]));
  assert.equal(losses.length, 20);
  assert.ok((losses[19] ?? Infinity) < (losses[0] ?? 0), "the loss on the same users falls");
  assert.match(stdout, /^utilities \[ -?\d[^\]]*\]$/m);
  assert.match(await printed("kernels/README.md"), /\[ 1, 4, 9, 20\.25 \]/);
});

/** Commands on pages that no test runs. These commands' options and task names must exist. */
const shown = readPages().flatMap(listShownCommands).filter(isNotRun);
const listOptions = ({ args }: ShownCommand) => args.filter((word) => word.startsWith("--"));

const TESTS = ["test", "ok"];

const said = new Map<string, Promise<string>>();

function saidBy(script: string, ...args: string[]): Promise<string> {
  const key = [script, ...args].join(" ");
  const text = said.get(key) ??
    runScript(new URL(script, root), ["--allow-all"], args).then(({ stdout }) => stdout);
  said.set(key, text);
  return text;
}

async function readHelp({ task, args }: ShownCommand): Promise<string> {
  if (task === "bench") return (await loadCommand(args[0] ?? "")).helpInformation();
  const [, file = "", own = ""] = tasks[task]?.command.match(/([\w/]+\.ts)(.*)$/) ?? [];
  const script = file === "src/cli/launch.ts" ? readTask(task as TaskName).module : file;
  const fixed = file === "src/cli/launch.ts" ? [] : own.split(" ").filter((word) => word !== "");
  const ending = args.findIndex((word) => word.startsWith("--"));
  const names = args.slice(0, Math.min(2, ending < 0 ? args.length : ending));
  let help = await saidBy(script, ...fixed, "--help");
  for (const [k, name] of names.entries()) {
    if (!new RegExp(`^ *${name}\\b`, "m").test(help)) break; // the word is an argument of the command
    help += "\n" + await saidBy(script, ...fixed, ...names.slice(0, k + 1), "--help");
  }
  return help;
}

Deno.test("pages: options of commands that are not run exist", async () => {
  const withOptions = shown.filter((command) =>
    !TESTS.includes(command.task) && listOptions(command).length > 0
  );
  assert.ok(withOptions.length > 30, `${withOptions.length} commands`);
  for (const command of withOptions) await expectOptions(command);
});

async function expectOptions(command: ShownCommand): Promise<void> {
  const help = await readHelp(command);
  assert.match(help, /^Usage: /m, command.line);
  const unknown = listOptions(command).filter((option) => !new RegExp(`${option}(?![\\w-])`).test(help));
  assert.deepEqual(unknown, [], `${command.page}: ${command.line}`);
}

Deno.test("pages: tests and exercises in commands exist", () => {
  for (const { page, line, task, args } of shown) {
    if (task === "exercise" && args[0] !== undefined) {
      assert.ok(exercises.some(({ name }) => name === args[0]), `${page}: ${line}`);
    }
    for (const file of TESTS.includes(task) ? args.filter((word) => word.endsWith(".ts")) : []) {
      assert.ok(Deno.statSync(new URL(file, root)).isFile, `${page}: ${line}`);
    }
  }
});

const [, section = ""] = Deno.readTextFileSync(new URL("src/run/README.md", root)).split("\n## Many runs\n");
const [slurm = "", parallel = ""] = [...section.matchAll(/```sh\n([^]*?)```/g)].map(([, script]) => script);
const config = new URL("deno.json", root).pathname;
const trainModule = readTask("train").module;

/** Scripts that replace Slurm, and GNU parallel if it is missing. These train briefly on a small log. */
const STAND_INS = {
  srun: 'while case "$1" in --*) true;; *) false;; esac; do shift; done\nexec "$@"',
  parallel: 'shift 2; words=""; while [ "$1" != ::: ]; do words="$words $1"; shift; done; shift\n' +
    'for one in "$@"; do $(echo "$words" | sed "s/{}/$one/g") & done; wait',
  deno:
    'shift 3; case "$*" in *--resume*) set -- "$@" --no-report;; *) set -- "$@" --no-autotune --iterations 4 ' +
    "--batch-size 12 --validate-every 2 --dims 8 --lstm-units 4 --no-report;; esac\n" +
    `exec '${Deno.execPath()}' run --no-check --quiet --frozen --node-modules-dir=none --config '${config}' -A '${trainModule}' "$@"`,
};

Deno.test(
  "many runs: the page's scripts for Slurm and GNU parallel train, go on, and are compared",
  { ignore: Deno.build.os === "windows" },
  () =>
    withEmptyFolder(async (folder) => {
      await Deno.mkdir(`${folder}/bin`);
      await Deno.mkdir(`${folder}/runs/data`, { recursive: true });
      const hasParallel =
        (await new Deno.Command("sh", { args: ["-c", "parallel --version"], stdout: "null", stderr: "null" })
          .output()).success;
      for (const [name, script] of Object.entries(STAND_INS)) {
        if (name === "parallel" && hasParallel) continue;
        await Deno.writeTextFile(`${folder}/bin/${name}`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      }
      writePaperFile(`${folder}/runs/data/mine`, createSmallLog(31, { users: 90, items: 30, width: 0 }));
      const run = async (script: string, env: Record<string, string> = {}) => {
        const { code, stderr } = await runProcess(
          new Deno.Command("sh", {
            args: ["-e", "-c", script],
            cwd: folder,
            env: { ...GPU_ENVIRONMENT, PATH: `${folder}/bin:${Deno.env.get("PATH")}`, ...env },
          }),
        );
        assert.equal(code, 0, stderr);
        return stderr;
      };
      const task = { SLURM_ARRAY_TASK_ID: "2" };
      assert.match(await run(slurm, task), /4\/4/);
      const before = Deno.readTextFileSync(`${folder}/runs/many/seed-2/config.json`);
      assert.equal(JSON.parse(before).training.seed, 2);
      assert.match(await run(slurm, task), /resuming after iteration 4/);
      await run(parallel);
      const runs = ["seed-2", "rate-3e-4", "rate-1e-3"].map((name) => `${folder}/runs/many/${name}`);
      for (const one of runs) assert.ok(await pathExists(`${one}/result.json`), one);
      await new CommandSeries("report").ok([...runs, "--out", `${folder}/page.html`]);
    }),
);

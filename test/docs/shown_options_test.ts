/** The commands of the pages that no test runs as they stand: their options and names are there. */

import { commandScript } from "../../src/cli/permissions.ts";
import assert from "node:assert/strict";
import { exercises } from "../../src/selftest/exercise/exercises.ts";
import { isNotRun, pages, type ShownCommand, shownCommands } from "./pages.ts";
import { runScript } from "../command_check.ts";

const root = new URL("../../", import.meta.url);
const { tasks }: { tasks: Record<string, { command: string }> } = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", root)),
);
const shown = pages().flatMap(shownCommands).filter(isNotRun);
const optionsOf = ({ args }: ShownCommand) => args.filter((word) => word.startsWith("--"));

/** Tasks that are Deno's own test runner. */
const TESTS = ["test", "ok"];

const said = new Map<string, Promise<string>>();

/** What a script says of itself; several pages show the same. */
function printed(script: string, ...args: string[]): Promise<string> {
  const key = [script, ...args].join(" ");
  const text = said.get(key) ??
    runScript(new URL(script, root), ["--allow-all"], args).then(({ stdout }) => stdout);
  said.set(key, text);
  return text;
}

/** What a command says of itself, and what the commands of its lists do that are named first. */
async function helpOf({ task, args }: ShownCommand): Promise<string> {
  const [, file = "", own = ""] = tasks[task]?.command.match(/([\w/]+\.ts)(.*)$/) ?? [];
  const script = file === "src/cli/launch.ts" ? commandScript(task) : file;
  const fixed = file === "src/cli/launch.ts" ? [] : own.split(" ").filter((word) => word !== "");
  const ending = args.findIndex((word) => word.startsWith("--"));
  const names = args.slice(0, Math.min(2, ending < 0 ? args.length : ending));
  const helps = [0, 1, 2].slice(0, names.length + 1).map((count) =>
    printed(script, ...fixed, ...names.slice(0, count), "--help")
  );
  return (await Promise.all(helps)).join("\n");
}

Deno.test("pages: the options of commands that are not run are those that the commands have", async () => {
  const withOptions = shown.filter((command) =>
    !TESTS.includes(command.task) && optionsOf(command).length > 0
  );
  assert.ok(withOptions.length > 30, `${withOptions.length} commands`);
  for (const command of withOptions) {
    const help = await helpOf(command);
    assert.match(help, /^Usage: /m, command.line);
    const unknown = optionsOf(command).filter((option) => !new RegExp(`${option}(?![\\w-])`).test(help));
    assert.deepEqual(unknown, [], `${command.page}: ${command.line}`);
  }
});

Deno.test("pages: files of tests and exercises that commands name are there", () => {
  for (const { page, line, task, args } of shown) {
    if (task === "exercise" && args[0] !== undefined) {
      assert.ok(exercises.some(({ name }) => name === args[0]), `${page}: ${line}`);
    }
    for (const file of TESTS.includes(task) ? args.filter((word) => word.endsWith(".ts")) : []) {
      assert.ok(Deno.statSync(new URL(file, root)).isFile, `${page}: ${line}`);
    }
  }
});

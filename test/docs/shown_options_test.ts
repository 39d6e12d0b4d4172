/** The commands of the pages that no test runs as they stand: their options and names are there. */

import { commandScript } from "../../src/cli/permissions.ts";
import assert from "node:assert/strict";
import { exercises } from "../../bench/exercise/exercises.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { NOT_RUN } from "./not_run.ts";
import { pages, type ShownCommand, shownCommands } from "./pages.ts";

const root = new URL("../../", import.meta.url);
const { tasks }: { tasks: Record<string, { command: string }> } = JSON.parse(
  Deno.readTextFileSync(new URL("deno.json", root)),
);
const shown = pages().flatMap(shownCommands).filter(({ task }) => Object.hasOwn(NOT_RUN, task));
const optionsOf = ({ args }: ShownCommand) => args.filter((word) => word.startsWith("--"));

/** Tasks that are Deno's own test runner. */
const TESTS = ["test", "test:fast", "test:corpus", "ok"];

const said = new Map<string, Promise<string>>();

/** What a script says of itself; several pages show the same. */
function printed(script: string, ...args: string[]): Promise<string> {
  const key = [script, ...args].join(" ");
  const text = said.get(key) ?? outputOf(script, args);
  said.set(key, text);
  return text;
}

async function outputOf(script: string, given: readonly string[]): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", ...DENO_FLAGS, "--no-prompt", "--allow-all", new URL(script, root).href, ...given],
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stdout);
}

/** What a command says of itself, and what the command of its list does that is named first. */
async function helpOf({ task, args: [first = "--help"] }: ShownCommand): Promise<string> {
  const scripts = tasks[task]?.command.match(/[\w/]+\.ts/g) ?? [];
  const script = scripts.at(-1) === "src/cli/launch.ts" ? commandScript(task) : scripts.at(-1) ?? "";
  const own = first.startsWith("--") ? [] : [printed(script, first, "--help")];
  return (await Promise.all([printed(script, "--help"), ...own])).join("\n");
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

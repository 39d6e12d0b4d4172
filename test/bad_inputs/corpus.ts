/**
 * A corpus of bad inputs as data: what is given, and how it must end. A line in one of the files of cases adds one. Each
 * runs as a user would start it, with the permissions that the launcher gives it: in `deno task test:special corpus` in a process
 * of its own, with the other tests in one for all that are given to a command.
 *
 * Beside what a case says, every one of them must hold: it ends in time, without a stack trace, with a message; nothing
 * that was there is altered or gone, and nothing is left behind but what the case names.
 */

import assert from "node:assert/strict";
import { UserError } from "../../src/user_error.ts";
import { cacheEnvironment, type CommandName, invocation, words } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { treeOf } from "./files.ts";

/** Makes files in the case's folder. */
export type Maker = (folder: string) => Promise<void> | void;

export interface BadInput {
  readonly name: string;
  /** The command and its arguments; DIR is the case's folder. */
  readonly run: readonly string[];
  /** What is in the folder before. */
  readonly files: Maker;
  /** What must be said; of a command that succeeds, on either output. */
  readonly says: Words;
  /** 1 unless given: a mistake of the user. */
  readonly code: number;
  /** What may be there afterwards that was not before: paths in the folder, or the beginning of them ("run/"). */
  readonly leaves: readonly string[];
  /** The command is run by a shell, as "$@", e.g. `exec "$@" >/dev/full`. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The system must be able to make the files. */
  readonly only?: boolean;
}

export type Words = string | RegExp | readonly (string | RegExp)[];
export type More = Partial<Omit<BadInput, "name" | "run" | "files">>;

/** A case. @param run the command and its arguments, a text of {@link words} */
export function bad(
  name: string,
  run: string | readonly string[],
  files: Maker,
  says: Words,
  more: More = {},
): BadInput {
  const split = typeof run === "string" ? words(run) : run;
  return { name, run: split, files, says, code: 1, leaves: [], ...more };
}

/** A case of a line of a table: its name, what its second cell says of it, and what must be said. */
export type Make = (name: string, cell: string, says: Words) => BadInput;

/**
 * Cases that differ in one thing alone, a line each: a name, that thing, and what must be said, in no or more columns; between
 * slashes stands a pattern. A line that begins with a bar goes on with the one above.
 *
 * @param of what makes a case; or what all run and have, and what stands before their names: their arguments differ
 * @param more of each, such as what all must say
 */
export function table(
  of: Make | { readonly run?: string; readonly files?: Maker; readonly named?: string },
  more: More = {},
): (text: TemplateStringsArray, ...values: readonly string[]) => BadInput[] {
  const make: Make = typeof of === "function" ? of : (name, args, says) => {
    const { run = "", files = nothing, named = "" } = of;
    return bad(named + name, `${run} ${args}`, files, says);
  };
  return (text, ...values) => {
    const lines = String.raw(text, ...values).replaceAll(/\n *\| /g, " | ").split("\n").filter((line) =>
      line.trim()
    );
    return lines.map((line) => {
      const [name = "", cell = "", ...said] = line.split(/ \|(?= |$)/).map((cell) => cell.trim());
      const says = said.map((text) => /^\/.*\/$/.test(text) ? new RegExp(text.slice(1, -1)) : text);
      return { ...make(name, cell, says), ...more };
    });
  };
}

/** Cases that must say the same, by name with what makes each. */
export function same<T>(
  make: (name: string, of: T, says: Words) => BadInput,
  says: Words,
  cases: Readonly<Record<string, T>>,
): BadInput[] {
  return Object.entries(cases).map(([name, of]) => make(name, of, says));
}

/** No files. */
export const nothing: Maker = () => {};

/** Makes the files of each, one after another. */
export function all(...makers: readonly Maker[]): Maker {
  return async (folder) => {
    for (const make of makers) await make(folder);
  };
}

/** Longer is a hang. */
const LIMIT_MS = 90_000;

/** Folders that the commands write to unless they are told otherwise: a case must not write into the project. */
const OUTPUTS: Partial<Record<CommandName, readonly [option: string, folder: string]>> = {
  train: ["--save-dir", "DIR/run"],
  reproduce: ["--save-dir", "DIR/experiments"],
  tune: ["--save-dir", "DIR/tune"],
  data: ["--out", "DIR/out"],
};

/** One case in so many is run with the other tests; `deno task test:special corpus`, which sets CLICKGAN_CORPUS, runs all. */
const QUICK = 3;
const WHOLE = Deno.env.has("CLICKGAN_CORPUS");

/** Runs the cases of each theme as tests of their own. One call a file of tests: its cases share their processes. */
export function assertRefused(themes: Readonly<Record<string, readonly BadInput[]>>): void {
  const chosen = Object.entries(themes).flatMap(([theme, cases]) => {
    expectNames(theme, cases);
    return cases.filter((_, k) => WHOLE || k % QUICK === 0).map((one) => ({ theme, one }));
  });
  const shared = new Shared(chosen.map(({ one }) => one));
  for (const { theme, one } of chosen) {
    Deno.test({
      name: `${theme}: ${one.name}`,
      ignore: one.only === false,
      fn: () => check(one, shared),
    });
  }
  Deno.test.afterAll(() => shared.close());
}

/** @throws Error for two cases of one name. */
function expectNames(theme: string, cases: readonly BadInput[]): void {
  const names = cases.map(({ name }) => name);
  const twice = names.find((name, k) => names.indexOf(name) !== k);
  if (twice !== undefined) throw new Error(`${theme}: two cases are called ${twice}`);
}

/** Processes that cases share, one for each command. */
class Shared {
  readonly #cases: readonly BadInput[];
  readonly #open = new Map<CommandName, CommandSeries>();
  /** Has a folder for each case, by its number: what the cases may write to is said when a process starts. */
  #parent: string | undefined;

  constructor(cases: readonly BadInput[]) {
    this.#cases = cases;
  }

  async folderOf(one: BadInput): Promise<string> {
    this.#parent ??= await Deno.makeTempDir({ prefix: "clickgan-bad-" });
    const folder = `${this.#parent}/${this.#cases.indexOf(one)}`;
    await Deno.mkdir(folder);
    return folder;
  }

  /** Runs a case in the process of its command. */
  async run(one: BadInput, folder: string): Promise<Ended> {
    const command = commandOf(one);
    let series = this.#open.get(command);
    if (series === undefined) {
      const same = this.#cases.filter((other) => sharesProcess(other) && commandOf(other) === command);
      const folders = same.map((other) => `${this.#parent}/${this.#cases.indexOf(other)}`);
      series = new CommandSeries(command, same.map((other, k) => argumentsOf(other, folders[k] ?? "")));
      this.#open.set(command, series);
    }
    try {
      return { ...await series.run(argumentsOf(one, folder), LIMIT_MS), late: false };
    } catch (error) {
      this.#open.delete(command);
      await series[Symbol.asyncDispose]();
      return { code: -1, stdout: "", stderr: String(error), late: true };
    }
  }

  async close(): Promise<void> {
    for (const series of this.#open.values()) await series[Symbol.asyncDispose]();
    if (this.#parent !== undefined) await Deno.remove(this.#parent, { recursive: true });
  }
}

/** All do but those that say how their process starts, and those that succeed. */
function sharesProcess(one: BadInput): boolean {
  return !WHOLE && one.code === 1 && one.shell === undefined && one.env === undefined;
}

async function check(one: BadInput, shared: Shared): Promise<void> {
  const folder = await shared.folderOf(one);
  try {
    await one.files(folder);
    const before = await treeOf(folder);
    const { code, stdout, stderr, late } = sharesProcess(one)
      ? await shared.run(one, folder)
      : await start(one, folder);
    const told = `exit code ${code}\n${stdout}\n${stderr}`;
    assert.ok(!late, `it did not end within ${LIMIT_MS / 1000} s\n${told}`);
    assert.equal(code, one.code, told);
    assert.doesNotMatch(stderr, /^\s+at \S/m, `a stack trace\n${told}`);
    assert.doesNotMatch(stdout + stderr, /This is a fault in the program|\[object Object\]|Uncaught/);
    if (one.code === 0) expectWords(one.says, stdout + stderr);
    else {
      assert.match(stderr, /^error: \S/m, told);
      expectWords(one.says, stderr);
    }
    const after = await treeOf(folder);
    for (const [path, entry] of before) {
      assert.ok(after.has(path), `${path} is gone`);
      if (!one.leaves.includes(path)) assert.equal(after.get(path), entry, `${path} was altered`);
    }
    const left = [...after.keys()].filter((path) => !before.has(path) && !mayStay(path, one.leaves));
    assert.deepEqual(left, [], "something was left behind");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function mayStay(path: string, leaves: readonly string[]): boolean {
  return leaves.some((name) => path === name || (name.endsWith("/") && `${path}/`.startsWith(name)));
}

function expectWords(words: Words, text: string): void {
  const list: readonly (string | RegExp)[] = typeof words === "string" || words instanceof RegExp
    ? [words]
    : words;
  for (const word of list) {
    if (typeof word === "string") assert.ok(text.includes(word), `expected "${word}" in\n${text}`);
    else assert.match(text, word);
  }
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly late: boolean;
}

const commandOf = ({ run: [command] }: BadInput) => command as CommandName;

/** What a case's command is given. */
function argumentsOf(one: BadInput, folder: string): string[] {
  return withOutput(commandOf(one), one.run.slice(1)).map((text) => text.replaceAll("DIR", folder));
}

async function start(one: BadInput, folder: string): Promise<Ended> {
  const { shell, env } = one;
  const within = (text: string) => text.replaceAll("DIR", folder);
  const given = argumentsOf(one, folder);
  const own = Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, within(value)]));
  if (own.XDG_CACHE_HOME !== undefined) Object.assign(own, await cacheEnvironment(own.XDG_CACHE_HOME));
  let started: ReturnType<typeof invocation>;
  try {
    started = invocation(commandOf(one), given, own);
  } catch (error) {
    // The launcher's own words.
    if (!(error instanceof UserError)) throw error;
    return { code: 1, stdout: "", stderr: `error: ${error.message}\n`, late: false };
  }
  const [program, ...rest] = shell === undefined
    ? [Deno.execPath(), ...started.args]
    : ["sh", "-c", within(shell), "sh", Deno.execPath(), ...started.args];
  const child = new Deno.Command(program ?? "", {
    args: rest,
    env: started.env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(limit);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), late };
}

/** The arguments with a folder of the case to write to, unless they name one. */
function withOutput(command: CommandName, args: readonly string[]): readonly string[] {
  const [option, folder] = OUTPUTS[command] ?? [];
  if (option === undefined || folder === undefined) return args;
  const names = args.some((arg) => arg.startsWith(option) || arg.startsWith("--resume"));
  if (names || (command === "data" && (args[0] ?? "-").match(/^-|^describe$|^check$/))) return args;
  return [...args, option, folder];
}

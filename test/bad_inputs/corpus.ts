/**
 * Runs commands on bad inputs. A test case has input files, a command, and the expected exit code and
 * message. The command runs with the permissions of its task in `deno.json`. All cases of a command share a
 * process, unless a case has its own shell script. Each case also checks that the command ends in time,
 * prints a message but no stack trace, alters and removes no file, and creates only the listed files.
 */

import assert from "node:assert/strict";
import type { CommandName, CommandResult } from "../command_check.ts";
import { buildInvocation, makeCacheEnvironment, splitArgs } from "../command_check.ts";
import { CommandSeries, LIMIT_MS } from "../command_series.ts";
import { parseRows, toPattern } from "../case_table.ts";
import { waitForEnd } from "../faults/process.ts";
import { readTree } from "./files.ts";

export type FileMaker = (folder: string) => Promise<void> | void;

export interface BadInput {
  readonly name: string;
  /** The command and its arguments, in which DIR stands for the folder of the case. */
  readonly run: readonly string[];
  readonly files: FileMaker;
  /** Patterns that standard error must match (or either output, if the command succeeds). */
  readonly says: readonly RegExp[];
  /** Expected exit code; 1 by default, which means a mistake of the user. */
  readonly code: number;
  /** Paths, or beginnings of paths ("run/"), of files that the command may create. */
  readonly leaves: readonly string[];
  /** Shell script that runs the command as "$@", such as `exec "$@" >/dev/full`. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** False to skip the case, because this system cannot create its files. */
  readonly only?: boolean;
}

export type BadInputOptions = Partial<Omit<BadInput, "name" | "run" | "files">>;

/** @param run command and arguments ({@link splitArgs}). @param says expected message ({@link toPattern}) */
export function makeCase(
  name: string,
  run: string | readonly string[],
  files: FileMaker,
  says: string | readonly string[],
  more: BadInputOptions = {},
): BadInput {
  const split = typeof run === "string" ? splitArgs(run) : run;
  return { name, run: split, files, says: [says].flat().map(toPattern), code: 1, leaves: [], ...more };
}

/** Creates cases from a table ({@link parseRows}): name, arguments to append to `run`, expected message. */
export function makeCases(files: FileMaker, run: string, more: BadInputOptions = {}) {
  return (text: TemplateStringsArray, ...values: readonly string[]): BadInput[] =>
    parseRows(String.raw(text, ...values)).map(([name = "", args = "", ...says]) =>
      makeCase(name, `${run} ${args}`, files, says, more)
    );
}

export const makeNothing: FileMaker = () => {};

export function makeAll(...makers: readonly FileMaker[]): FileMaker {
  return async (folder) => {
    for (const make of makers) await make(folder);
  };
}

/** Options for output folders inside the case's folder, because a case must not write into the project. */
const OUTPUTS: Partial<Record<CommandName, readonly [option: string, folder: string]>> = {
  train: ["--save-dir", "DIR/run"],
  reproduce: ["--save-dir", "DIR/experiments"],
  tune: ["--save-dir", "DIR/tune"],
  data: ["--out", "DIR/out"],
};

/** Runs each case as a test. */
export function assertRefused(themes: Readonly<Record<string, readonly BadInput[]>>): void {
  for (const [theme, cases] of Object.entries(themes)) {
    for (const one of cases) {
      Deno.test({ name: `${theme}: ${one.name}`, ignore: one.only === false, fn: () => check(one) });
    }
  }
}

function sharesProcess(one: BadInput): boolean {
  return one.shell === undefined && one.env === undefined;
}

async function check(one: BadInput): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-bad-" });
  try {
    await one.files(folder);
    const before = await readTree(folder);
    const { code, stdout, stderr } = sharesProcess(one)
      ? await new CommandSeries(getCommand(one)).run(listArguments(one, folder))
      : await start(one, folder);
    const told = `exit code ${code}\n${stdout}\n${stderr}`;
    assert.equal(code, one.code, told);
    assert.doesNotMatch(stderr, /^\s+at \S/m, `a stack trace\n${told}`);
    assert.doesNotMatch(stdout + stderr, /This is a fault in the program|\[object Object\]|Uncaught/);
    if (one.code !== 0) assert.match(stderr, /^error: \S/m, told);
    for (const text of one.says) assert.match(one.code === 0 ? stdout + stderr : stderr, text);
    const after = await readTree(folder);
    for (const [path, entry] of before) {
      assert.ok(after.has(path), `${path} is gone`);
      if (!one.leaves.includes(path)) assert.equal(after.get(path), entry, `${path} was altered`);
    }
    const left = [...after.keys()].filter((path) => !before.has(path) && !mayStay(path, one.leaves));
    assert.deepEqual(left, [], "unexpected files remain");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function mayStay(path: string, leaves: readonly string[]): boolean {
  return leaves.some((name) => path === name || (name.endsWith("/") && `${path}/`.startsWith(name)));
}

const getCommand = ({ run: [command] }: BadInput) => command as CommandName;

function listArguments(one: BadInput, folder: string): string[] {
  return withOutput(getCommand(one), one.run.slice(1)).map((text) => text.replaceAll("DIR", folder));
}

async function start(one: BadInput, folder: string): Promise<CommandResult> {
  const { shell, env } = one;
  const within = (text: string) => text.replaceAll("DIR", folder);
  const given = listArguments(one, folder);
  const own = Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, within(value)]));
  if (own.XDG_CACHE_HOME !== undefined) Object.assign(own, await makeCacheEnvironment(own.XDG_CACHE_HOME));
  const started = buildInvocation(getCommand(one), given, own);
  const [program, ...rest] = shell === undefined
    ? [Deno.execPath(), ...started.args]
    : ["sh", "-c", within(shell), "sh", Deno.execPath(), ...started.args];
  const streams = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const options = { args: rest, env: started.env, ...streams };
  const ended = await waitForEnd(new Deno.Command(program ?? "", options).spawn(), LIMIT_MS);
  assert.equal(ended.signal, null, `it did not end within ${LIMIT_MS / 1000} s\n${ended.stderr}`);
  return ended;
}

function withOutput(command: CommandName, args: readonly string[]): readonly string[] {
  const [option, folder] = OUTPUTS[command] ?? [];
  if (option === undefined || folder === undefined) return args;
  const names = args.some((arg) => arg.startsWith(option) || arg.startsWith("--resume"));
  if (names || (command === "data" && (args[0] ?? "-").match(/^-|^describe$|^check$/))) return args;
  return [...args, option, folder];
}

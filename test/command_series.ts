/**
 * Runs commands many times in one process, because a process start takes 0.15 to 0.2 s of CPU, more than
 * most runs that refuse their input. The process has the permissions of the command's task. In a test file,
 * all series of commands with the same permissions share one process, which runs one request at a time and
 * ends after the file's tests.
 * Tests of signals, of the end of a process, or of the device need a separate process (`command_check.ts`).
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { LAUNCHER_VARIABLE } from "../src/cli/stop.ts";
import { readTask } from "../src/cli/launch.ts";
import { type CommandName, type CommandResult, completeArguments, splitArgs } from "./command_check.ts";
import type { SeriesRequest } from "./series_host.ts";

export interface SeriesOptions {
  /** Path of the working directory. A test may replace the folder at this path between runs. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** True to pass arguments unchanged. A new run then needs the argument --no-autotune. */
  readonly asGiven?: boolean;
}

/** Milliseconds within which a run must end. */
export const LIMIT_MS = 90_000;

export class CommandSeries {
  readonly #command: CommandName;
  readonly #options: SeriesOptions;

  constructor(command: CommandName, options: SeriesOptions = {}) {
    this.#command = command;
    this.#options = options;
  }

  async run(args: readonly string[]): Promise<CommandResult> {
    const { cwd, env = {}, asGiven } = this.#options;
    const { permissions, module } = readTask(this.#command);
    const given = asGiven ? args : completeArguments(this.#command, args);
    const request: SeriesRequest = { module, args: given, cwd };
    const key = JSON.stringify([permissions, env]);
    const { child, replies } = processes.get(key) ?? startProcess(permissions, env);
    processes.set(key, { child, replies });
    const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
    child.stdin?.write(JSON.stringify(request) + "\n");
    const { value, done } = await replies.next();
    clearTimeout(limit);
    if (!done) return JSON.parse(value);
    processes.delete(key);
    throw new Error("the process of the series has ended, or was killed as it took too long");
  }

  async ok(line: string | readonly string[]): Promise<CommandResult> {
    const ended = await this.run(listArguments(line));
    assert.equal(ended.code, 0, ended.stderr);
    return ended;
  }

  async refused(line: string | readonly string[], says: RegExp): Promise<string> {
    const { code, stderr } = await this.run(listArguments(line));
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^error: /m);
    assert.doesNotMatch(stderr, /^ {4}at /m);
    assert.match(stderr, says);
    return stderr;
  }
}

function listArguments(line: string | readonly string[]): readonly string[] {
  return typeof line === "string" ? splitArgs(line) : line;
}

interface SeriesProcess {
  readonly child: ChildProcess;
  /** Lines that the process writes to standard output. */
  readonly replies: AsyncIterator<string>;
}

/** Processes; a key consists of permissions and environment. */
const processes = new Map<string, SeriesProcess>();
Deno.test.afterAll(async () => {
  for (const { child } of processes.values()) {
    child.stdin?.end();
    await once(child, "exit");
  }
});

function startProcess(permissions: readonly string[], env: Readonly<Record<string, string>>): SeriesProcess {
  const config = new URL("../deno.json", import.meta.url).pathname;
  const host = new URL("series_host.ts", import.meta.url).href;
  const args = ["run", ...DENO_FLAGS, "--no-prompt", "--config", config, ...permissions, host];
  const child = spawn(Deno.execPath(), args, {
    env: {
      ...Deno.env.toObject(),
      ...GPU_ENVIRONMENT,
      NO_COLOR: "1",
      [LAUNCHER_VARIABLE]: String(Deno.pid),
      ...env,
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  return { child, replies: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
}

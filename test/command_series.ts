/**
 * Runs a command many times in one process, because a process start takes 0.15 to 0.2 s of CPU, more than
 * most refusals. The process has the permissions of the command's task. Tests of signals, of the end of a
 * process, or of the device need a separate process (`command_check.ts`).
 */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { LAUNCHER_VARIABLE } from "../src/cli/stop.ts";
import { readTask } from "../src/cli/launch.ts";
import { type CommandName, type CommandResult, completeArguments, splitArgs } from "./command_check.ts";
import type { SeriesRequest } from "./series_host.ts";

export interface SeriesOptions {
  /** Working directory. At each run, another folder may be at this path. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** True to pass arguments unchanged; a new run then needs --no-autotune among them. */
  readonly asGiven?: boolean;
}

export class CommandSeries implements AsyncDisposable {
  readonly #command: CommandName;
  readonly #options: SeriesOptions;
  #started: Started | undefined;
  #rest = "";

  constructor(command: CommandName, options: SeriesOptions = {}) {
    this.#command = command;
    this.#options = options;
  }

  #start(): Started {
    const config = new URL("../deno.json", import.meta.url).pathname;
    const host = new URL("series_host.ts", import.meta.url).href;
    const { permissions } = readTask(this.#command);
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", ...DENO_FLAGS, "--no-prompt", "--config", config, ...permissions, host, this.#command],
      cwd: this.#options.cwd,
      env: { ...GPU_ENVIRONMENT, NO_COLOR: "1", [LAUNCHER_VARIABLE]: String(Deno.pid), ...this.#options.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const replies = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    return { process, requests: process.stdin.getWriter(), replies };
  }

  async run(args: readonly string[], limitMs = 90_000): Promise<CommandResult> {
    const { process, requests, replies } = this.#started ??= this.#start();
    const limit = setTimeout(() => process.kill("SIGKILL"), limitMs);
    try {
      const { cwd, asGiven } = this.#options;
      const request: SeriesRequest = { args: asGiven ? args : completeArguments(this.#command, args), cwd };
      const line = JSON.stringify(request) + "\n";
      await requests.write(new TextEncoder().encode(line));
      return JSON.parse(await this.#reply(replies));
    } finally {
      clearTimeout(limit);
    }
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

  async #reply(replies: Started["replies"]): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { value, done } = await replies.read();
      if (done) throw new Error("the process of the series has ended, or was killed as it took too long");
      this.#rest += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#started === undefined) return;
    const { process, requests, replies } = this.#started;
    await requests.close().catch(() => {}); // the process has already ended
    await replies.cancel();
    await process.status;
  }
}

function listArguments(line: string | readonly string[]): readonly string[] {
  return typeof line === "string" ? splitArgs(line) : line;
}

interface Started {
  readonly process: Deno.ChildProcess;
  readonly requests: WritableStreamDefaultWriter<Uint8Array>;
  readonly replies: ReadableStreamDefaultReader<string>;
}

/**
 * Parallel trainings (`--jobs`) in a limited number of child processes, which share the cores. The parent
 * command locks the output folder, creates the files that all children share, and ends the children when it
 * is stopped. If the parent is killed, the children end by themselves.
 */

import { deserialize } from "node:v8";
import process from "node:process";
import { Option } from "commander";
import { CORES_VARIABLE } from "../gpu/host/driver.ts";
import { UserError } from "../user_error.ts";
import { JOBS } from "./arguments.ts";
import { describeSignal, type ProcessOptions, sendSignal } from "./launch.ts";
import { parseWholeNumber } from "./command_options.ts";
import { createLiveLine } from "./progress.ts";
import { formatDuration } from "../number_text.ts";

/** Creates the option --jobs. @param what - what is trained in parallel, such as "seeds" */
export function createJobsOption(what: string): Option {
  return new Option(
    JOBS,
    `number of ${what} to train in parallel, each in a process with an equal share of the cores`,
  )
    .argParser(parseWholeNumber(1, 256)).default(1);
}

interface Child {
  /** Program to run; Deno by default. */
  readonly program?: string;
  readonly process: ProcessOptions;
  /** Text that the child reads from its standard input. */
  readonly input?: string;
  /** If this signal is aborted, the child process is interrupted as if the user had pressed Ctrl-C. */
  readonly signal?: AbortSignal;
  /** Called with each line that the child writes to standard output. */
  readonly onOutput: (line: string) => void;
  /** Called with each line that the child writes to standard error. */
  readonly onNote: (line: string) => void;
}

export class FailedJobError extends UserError {}

/** Limits the number of child processes that run at the same time. Each child process occupies one slot. */
export class JobSlots {
  #free: number;
  #unopened: number;
  readonly #waiting: (() => void)[] = [];

  /** @param first - number of slots that are usable before {@link openAll} */
  constructor(readonly count: number, first = 1) {
    this.#free = Math.min(first, count);
    this.#unopened = count - this.#free;
  }

  /** Makes all slots usable. Call this after the first child has filled the driver's shader cache. */
  openAll(): void {
    for (; this.#unopened > 0; this.#unopened--) this.#leave();
  }

  /** Waits for a free slot, and occupies the slot while the work runs. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((enter) => this.#waiting.push(enter));
    try {
      return await work();
    } finally {
      this.openAll();
      this.#leave();
    }
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }

  /** Returns the environment variable with a child's number of cores. @param alone - true for all cores */
  cores(alone = false): Record<string, string> {
    const all = navigator.hardwareConcurrency;
    return { [CORES_VARIABLE]: String(alone ? all : Math.max(1, Math.floor(all / this.count))) };
  }
}

/** Runs a child process until it ends. @throws FailedJobError if the child fails */
export async function runChild(
  { program = Deno.execPath(), process, input, signal, onOutput, onNote }: Child,
): Promise<void> {
  const child = new Deno.Command(program, {
    ...process,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => sendSignal(child, "SIGINT");
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end);
  let last = "";
  try {
    await Promise.all([
      // If the child ends before it has read the input, its exit code shows why.
      input === undefined ? undefined : new Blob([input]).stream().pipeTo(child.stdin).catch(() => {}),
      eachLine(child.stdout, onOutput),
      eachLine(child.stderr, (line) => {
        if (line.startsWith("error: ")) last = line.slice("error: ".length);
        else if (line !== "") onNote(line);
      }),
    ]);
    const { code, signal: by } = await child.status;
    if (code === 0 || signal?.aborted) return;
    const cause = describeSignal(by);
    throw new FailedJobError(cause ? `it ${cause}` : last || `it ended with exit code ${code}`);
  } finally {
    signal?.removeEventListener("abort", end);
  }
}

async function eachLine(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(onLine);
  }
  if (rest !== "") onLine(rest);
}

/** Decodes a value that a child printed in V8's serialisation format, which keeps NaN and Infinity. */
export function decodeMessage(line: string): unknown {
  return deserialize(Uint8Array.fromBase64(line));
}

export interface JobsProgress extends Disposable {
  /** Updates the progress of a training. @param share - finished share, 0 to 1. @param text - text to show */
  update(name: string, share: number, text: string): void;
  ended(name: string): void;
  note(text: string): void;
}

/**
 * Shows the progress of parallel trainings on one line of a terminal. Without a terminal, prints a line after
 * each tenth of a training. @param total - number of trainings
 */
export function createJobsProgress(total: number): JobsProgress {
  const began = performance.now();
  const running = new Map<string, { first: number; share: number; text: string }>();
  let [ended, before] = [0, 0];
  const left = () => {
    const all = [...running.values()];
    const done = ended + all.reduce((sum, { share }) => sum + share, 0);
    const here = done - before - all.reduce((sum, { first }) => sum + first, 0);
    const seconds = (performance.now() - began) / 1000;
    return here > 0 ? `${formatDuration(seconds * (total - done) / here)} left` : "";
  };
  const line = (width: number) => {
    const each = [...running].map(([name, { text }]) => `${name}: ${text}`);
    return [`${ended} of ${total} done`, left(), ...each].filter((text) => text !== "").join("  ").slice(
      0,
      width,
    );
  };
  const live = createLiveLine(process.stderr, line);
  return {
    update(name, share, text) {
      const known = running.get(name);
      running.set(name, { first: known?.first ?? share, share, text });
      const isNew = known !== undefined && Math.floor(10 * share) > Math.floor(10 * known.share);
      if (!process.stderr.isTTY && isNew) process.stderr.write(`${name}: ${text}  ${left()}\n`);
    },
    ended(name) {
      before += running.get(name)?.first ?? 0;
      running.delete(name);
      ended++;
    },
    note: live.note,
    [Symbol.dispose]: live.stop,
  };
}

/**
 * Waits until all tasks have ended, even if some fail. @param resumeHint - sentence that says how to continue
 * failed tasks. @returns the results. @throws UserError that names the failed tasks
 */
export async function runAllSettled<T>(
  tasks: ReadonlyMap<string, Promise<T>>,
  resumeHint: string,
): Promise<T[]> {
  const names = [...tasks.keys()];
  const results = await Promise.allSettled(tasks.values());
  const failed = results.flatMap((result, k) => {
    if (result.status === "fulfilled") return [];
    if (!(result.reason instanceof UserError)) throw result.reason;
    return [`  ${names[k]}: ${result.reason.message}`];
  });
  if (failed.length > 0) {
    throw new UserError(
      `${failed.length} of ${names.length} trainings failed; the other trainings are saved:\n` +
        `${failed.join("\n")}\n${resumeHint}`,
    );
  }
  return results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
}

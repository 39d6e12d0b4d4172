/**
 * Trainings side by side (`--jobs`): child processes of a command, so many at a time, each with its share of the cores. The
 * command owns the folder of all, makes what they share before the first begins, and ends them when it is told to end; they
 * end by themselves when it is gone.
 */

import { deserialize } from "node:v8";
import process from "node:process";
import { Option } from "commander";
import { CORES_VARIABLE } from "../gpu/host/driver.ts";
import { UserError } from "../user_error.ts";
import { JOBS } from "./arguments.ts";
import { describeSignal, type ProcessOptions } from "./launch.ts";
import { parseWholeNumber } from "./command_options.ts";
import { createLiveLine, formatDuration, type ProgressOutput } from "./progress.ts";

/** @param what is done side by side, such as "seeds" */
export function createJobsOption(what: string): Option {
  return new Option(
    JOBS,
    `so many ${what} side by side, each in a process of its own with its share of the cores`,
  )
    .argParser(parseWholeNumber(1, 256)).default(1);
}

/** What a child is given and told, and who hears of it. */
interface Child {
  readonly process: ProcessOptions;
  /** What it reads on its standard input. */
  readonly input?: string;
  /** Ends it as Ctrl-C does. */
  readonly signal?: AbortSignal;
  /** A line of its standard output. */
  readonly onOutput: (line: string) => void;
  /** A line of what it says beside. */
  readonly onNote: (line: string) => void;
}

/** A child that did not end well. */
export class FailedJobError extends UserError {}

/** Places for so many children. */
export class JobSlots {
  #free: number;
  #unopened: number;
  readonly #waiting: (() => void)[] = [];

  /** @param first places that are there from the beginning: the others open with {@link warmed}. */
  constructor(readonly count: number, first = 1) {
    this.#free = Math.min(first, count);
    this.#unopened = count - this.#free;
  }

  /** The caches of the driver are filled, so the others need not compile the same. */
  warmed(): void {
    for (; this.#unopened > 0; this.#unopened--) this.#leave();
  }

  /** Does something in a place, when one is free. */
  async inPlace<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((enter) => this.#waiting.push(enter));
    try {
      return await work();
    } finally {
      this.warmed();
      this.#leave();
    }
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }

  /** What a child's driver may use. @param alone whether it has the machine to itself */
  cores(alone = false): Record<string, string> {
    const all = navigator.hardwareConcurrency;
    return { [CORES_VARIABLE]: String(alone ? all : Math.max(1, Math.floor(all / this.count))) };
  }
}

/** Runs a child to its end. @throws FailedJobError unless it ends well */
export async function runChild({ process, input, signal, onOutput, onNote }: Child): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    ...process,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => {
    try {
      child.kill("SIGINT");
    } catch {
      // It has just ended.
    }
  };
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end);
  let last = "";
  try {
    await Promise.all([
      input === undefined ? undefined : give(child, input),
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

async function give(child: Deno.ChildProcess, text: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    // It ended before it had read it: its exit code says why.
  }
}

async function eachLine(stream: ReadableStream<Uint8Array>, tell: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(tell);
  }
  if (rest !== "") tell(rest);
}

/** A value as a line that {@link runChild} tells, such as v8 writes it: numbers that JSON has not stay what they are. */
export function decodeMessage(line: string): unknown {
  return deserialize(Uint8Array.fromBase64(line));
}

/** How several trainings go. */
export interface JobsProgress extends Disposable {
  /** @param share of it that is done. @param text where it stands */
  tell(name: string, share: number, text: string): void;
  ended(name: string): void;
  note(text: string): void;
}

/** All on one line of the terminal; elsewhere a line for every tenth of each. @param total trainings */
export function createJobsProgress(total: number, output: ProgressOutput = process.stderr): JobsProgress {
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
  const live = createLiveLine(output, line);
  return {
    tell(name, share, text) {
      const known = running.get(name);
      running.set(name, { first: known?.first ?? share, share, text });
      const isNew = known !== undefined && Math.floor(10 * share) > Math.floor(10 * known.share);
      if (!output.isTTY && isNew) output.write(`${name}: ${text}  ${left()}\n`);
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
 * Does all that is asked for, also where some of it fails.
 * @param goOn how what failed is begun again. @returns what came of each. @throws UserError naming those that failed
 */
export async function runAllSettled<T>(
  tasks: ReadonlyMap<string, Promise<T>>,
  goOn: string,
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
      `${failed.length} of ${names.length} trainings did not come to their end; the others are kept:\n` +
        `${failed.join("\n")}\n` +
        `${goOn}`,
    );
  }
  return results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
}

/**
 * Runs a command in a child process, and reports how it ended. A task of deno.json starts this launcher with
 * permission flags and a module, for example `launch.ts --allow-read src/commands/train/train.ts`.
 *
 * Only a parent process can report that a command crashed in the graphics driver, or was killed because
 * memory ran out. The launcher does not read the command's arguments, uses no package, and takes 0.05 s.
 */

import config from "../../deno.json" with { type: "json" };
import { basename } from "node:path";
import { DENO_FLAGS } from "../deno_flags.ts";
import { runMain } from "./run_main.ts";
import { CHILD_ENVIRONMENT, ensureAdapter, GPU_ENVIRONMENT, hasDriver } from "./setup.ts";
import { ECHO_MS, LAUNCHER_VARIABLE, listenForSignals, REQUESTED_SIGNALS, watchTask } from "./stop.ts";

/** Deno's flags for a command. --quiet is left out, so that Deno shows when it downloads packages. */
const FLAGS = DENO_FLAGS.filter((flag) => flag !== "--quiet");

/** Runs a command. @returns its exit code; 128 + n if signal n ended the command */
async function launch(args: readonly string[]): Promise<number> {
  const at = args.findIndex((arg) => !arg.startsWith("--"));
  const [permissions, module = "", rest] = [args.slice(0, at), args[at], args.slice(at + 1)];
  const given = rest[0] === "--" ? rest.slice(1) : rest; // npm users type `task train -- --save-dir x`
  if (!hasDriver()) await ensureAdapter();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...FLAGS, "--no-prompt", ...permissions, module, ...given],
    env: { ...GPU_ENVIRONMENT, ...CHILD_ENVIRONMENT, [LAUNCHER_VARIABLE]: String(Deno.pid) },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  forwardSignals(child);
  watchTask(() => sendSignal(child, "SIGTERM"));
  const { code, signal } = await child.status;
  const cause = describeSignal(signal);
  if (cause !== undefined) {
    console.error(
      `error: ${
        basename(module, ".ts")
      } ${cause}. All saved files are complete. Continue train and policy train ` +
        "with --resume FOLDER; repeat any other command.",
    );
  }
  return code;
}

/** Milliseconds from the second signal until the launcher kills a command that still runs. */
const GRACE_MS = 3000;

/**
 * Forwards signals to a child process, which handles them. In a terminal, each Ctrl-C reaches the
 * child twice: directly, and from the launcher. If the child hangs, it is killed after a second Ctrl-C.
 */
export function forwardSignals(child: Deno.ChildProcess): void {
  let first: number | undefined;
  listenForSignals((signal) => {
    const now = performance.now();
    first ??= now;
    sendSignal(child, signal);
    if (now - first > ECHO_MS) Deno.unrefTimer(setTimeout(() => sendSignal(child, "SIGKILL"), GRACE_MS));
  });
}

export function sendSignal(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // The child has just ended.
  }
}

const CAUSES: Partial<Record<Deno.Signal, string>> = {
  SIGKILL: "it was killed by a user, or by the system because memory ran out",
  SIGABRT: "it aborted: memory ran out, or the graphics driver failed",
  SIGTRAP: "it aborted, most likely because its memory ran out",
  SIGSEGV: "it crashed, most likely in the graphics driver",
  SIGBUS: "it crashed: possible causes are a full disk or faulty memory",
  SIGILL: "it crashed: this processor lacks an instruction that the driver uses",
  SIGXFSZ: "it wrote a file larger than the system allows",
  SIGXCPU: "it reached its limit of processor time",
};

/**
 * Describes why a signal ended a process, such as "was ended by SIGSEGV: it crashed, most likely in the
 * graphics driver". @returns undefined if the process exited by itself, or by SIGINT, SIGTERM or SIGHUP.
 */
export function describeSignal(signal: Deno.Signal | null): string | undefined {
  if (signal === null || REQUESTED_SIGNALS.includes(signal)) return undefined;
  return `was ended by ${signal}: ${CAUSES[signal] ?? "the system ended it"}`;
}

export type TaskName = keyof typeof config.tasks;

/** Module URL of a command, and its permission flags, such as "--allow-read". */
export interface CommandTask {
  readonly module: string;
  readonly permissions: readonly string[];
}

/** Returns module and permissions of a task in deno.json. @throws Error if the task does not use launch.ts */
export function readTask(name: TaskName): CommandTask {
  const task = config.tasks[name];
  const [, text] = task.command.split("src/cli/launch.ts ");
  const words = text?.split(" ") ?? [];
  const module = words.pop();
  if (module === undefined) throw new Error(`task ${name}: expected a module as argument of launch.ts`);
  return { module: new URL(`../../${module}`, import.meta.url).href, permissions: words };
}

export interface ProcessOptions {
  readonly args: string[];
  readonly env: Record<string, string>;
}

/**
 * Returns arguments and environment variables to run a command in a new Deno process. The process has the
 * permissions of the task `name` in deno.json. @param module - by default the command's own module
 */
export function describeProcess(
  name: TaskName,
  args: readonly string[],
  module: string = readTask(name).module,
): ProcessOptions {
  return {
    args: ["run", ...DENO_FLAGS, "--no-prompt", ...readTask(name).permissions, module, ...args],
    env: { ...GPU_ENVIRONMENT, ...CHILD_ENVIRONMENT, NO_COLOR: "1", [LAUNCHER_VARIABLE]: String(Deno.pid) },
  };
}

if (import.meta.main) await runMain(() => launch(Deno.args));

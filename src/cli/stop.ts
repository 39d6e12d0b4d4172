/**
 * What ends a command from outside. Ctrl-C and its like: the first ends training after the steps that are under way, a later
 * one ends the process. And no process outlives the one that started it: a command ends, as by Ctrl-C, when its launcher is
 * gone; the launcher ends when the task that started it is gone, or npx above the task. (`kill -9` ends one process, which
 * cannot tell others.)
 */

import process from "node:process";
import { readEnvironmentVariable } from "./arguments.ts";

export interface StopRequest {
  readonly signal: AbortSignal;
  /** Called at the first signal. */
  onStop: (() => void) | undefined;
}

/** A second signal within this time is the same one: it comes from the terminal, the task and the launcher. */
export const ECHO_MS = 1000;
/** Signals that somebody sent to end it. SIGHUP: the terminal was closed. */
export const REQUESTED_SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Listens to them; Windows has the first alone. */
export function listenForSignals(handle: (signal: Deno.Signal) => void): void {
  const signals = Deno.build.os === "windows" ? REQUESTED_SIGNALS.slice(0, 1) : REQUESTED_SIGNALS;
  for (const signal of signals) Deno.addSignalListener(signal, () => handle(signal));
}

/** @param exitCode of a process that is ended by a later signal. */
export function stopOnSignals(exitCode: number): StopRequest {
  const controller = new AbortController();
  const stop: StopRequest = { signal: controller.signal, onStop: undefined };
  let first = 0;
  const handle = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
      stop.onStop?.();
    } else if (performance.now() - first > ECHO_MS) Deno.exit(exitCode);
  };
  listenForSignals(handle);
  end = handle;
  return stop;
}

/** Notes at the first signal what is still done, for as long as what is returned is in use. */
export function reportAtStop(
  stop: StopRequest,
  note: (text: string) => void,
  text = "stopping: the steps that are under way are finished and saved",
): Disposable {
  stop.onStop = () => note(text);
  return { [Symbol.dispose]: () => stop.onStop = undefined };
}

/** In the command's environment: the launcher's process id. */
export const LAUNCHER_VARIABLE = "CLICKGAN_LAUNCHER";
/** What npm tells the processes that it starts. */
const NPM_VARIABLE = "npm_command";

const LOOK_MS = 500;
/** From the launcher up to npx: the task, a shell, npx. */
const MOST_ANCESTORS = 4;

/** What a command does when its launcher is gone; {@link stopOnSignals} sets it. */
let end: () => void = () => Deno.exit(143);

/** For a command: looks after the launcher that started it, if one did. */
export function watchLauncher(): void {
  const launcher = Number(readEnvironmentVariable(LAUNCHER_VARIABLE));
  if (launcher > 0) watch(() => Deno.ppid === launcher, () => end());
}

/** For the launcher: looks after what started it. @param gone called once when it has ended. */
export async function watchAncestors(gone: () => void): Promise<void> {
  const parent = Deno.ppid;
  const npx = readEnvironmentVariable(NPM_VARIABLE) === "exec" ? await ancestorsUpToNpx(parent) : [];
  watch(() => Deno.ppid === parent && npx.every(isAlive), gone);
}

function watch(isThere: () => boolean, gone: () => void): void {
  const timer = setInterval(() => {
    if (isThere()) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  Deno.unrefTimer(timer);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0); // signal 0 reaches nobody: it only asks
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Process ids above the launcher's parent, up to npx; none where the system does not tell. */
async function ancestorsUpToNpx(parent: number): Promise<number[]> {
  const found: number[] = [];
  for (let pid = parent; found.length < MOST_ANCESTORS;) {
    const above = await findParentProcess(pid);
    if (above === undefined || above <= 1) return [];
    found.push(above);
    if (/^(npm|npx|node|MainThread)/.test(await readProcessName(above))) return found;
    pid = above;
  }
  return [];
}

async function findParentProcess(pid: number): Promise<number | undefined> {
  const text = Deno.build.os === "linux"
    ? (await runCommand("cat", [`/proc/${pid}/stat`])).replace(/^.*\) \S+ /s, "") // the name may hold anything
    : await runCommand("ps", ["-o", "ppid=", "-p", String(pid)]);
  return Number.parseInt(text) || undefined;
}

async function readProcessName(pid: number): Promise<string> {
  if (Deno.build.os === "linux") return await runCommand("cat", [`/proc/${pid}/comm`]);
  return (await runCommand("ps", ["-o", "comm=", "-p", String(pid)])).trim().replace(/^.*\//, "");
}

async function runCommand(command: string, args: string[]): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(command, { args, stdin: "null", stderr: "null" }).output();
    return new TextDecoder().decode(stdout);
  } catch {
    return "";
  }
}

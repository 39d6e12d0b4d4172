/**
 * Stops commands by signals. The first Ctrl-C (or SIGTERM, SIGHUP) ends a training as soon as the steps on
 * the GPU are finished. A later signal ends the process at once. No child process outlives its parent
 * process, even if `kill -9` ends the parent. If a command's launcher (launch.ts) has ended, the command
 * stops as if the user had pressed Ctrl-C. A launcher stops when the `deno task` that started it has ended.
 */

import { readEnvironmentVariable } from "./arguments.ts";

export interface StopRequest {
  readonly signal: AbortSignal;
  onStop: (() => void) | undefined;
}

/** Exit code of a command that a signal has stopped (128 + 2, as in shells). */
export const EXIT_INTERRUPTED = 130;

/** Further signals within this time (ms) are ignored, because one Ctrl-C reaches a command several times. */
export const ECHO_MS = 1000;
/** Signals that ask a process to end. When a terminal is closed, the system sends SIGHUP. */
export const REQUESTED_SIGNALS: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Calls a function at each signal that asks a process to end. Windows supports only SIGINT. */
export function listenForSignals(handle: (signal: Deno.Signal) => void): void {
  const signals = Deno.build.os === "windows" ? REQUESTED_SIGNALS.slice(0, 1) : REQUESTED_SIGNALS;
  for (const signal of signals) Deno.addSignalListener(signal, () => handle(signal));
}

/** Listens for signals that ask the command to end. A second signal ends the process at once. */
export function stopOnSignals(): StopRequest {
  const controller = new AbortController();
  const stop: StopRequest = { signal: controller.signal, onStop: undefined };
  let first = 0;
  const handle = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
      stop.onStop?.();
    } else if (performance.now() - first > ECHO_MS) Deno.exit(EXIT_INTERRUPTED);
  };
  listenForSignals(handle);
  end = handle;
  return stop;
}

/** Prints `text` at the first signal, unless the returned object was disposed of before. */
export function reportAtStop(
  stop: StopRequest,
  note: (text: string) => void,
  text = "stopping: finishing the current steps and saving",
): Disposable {
  stop.onStop = () => note(text);
  return { [Symbol.dispose]: () => stop.onStop = undefined };
}

/** Environment variable with the process id of the launcher. */
export const LAUNCHER_VARIABLE = "CLICKGAN_LAUNCHER";
const LOOK_MS = 500;

/** Called when the launcher has ended. {@link stopOnSignals} replaces it, to save the work first. */
let end: () => void = () => Deno.exit(143);

/** Ends this command when its launcher has ended. */
export function watchLauncher(): void {
  const launcher = Number(readEnvironmentVariable(LAUNCHER_VARIABLE));
  if (launcher > 0) watch(() => Deno.ppid === launcher, () => end());
}

/** Watches the task that started the launcher. @param gone - called once, when the task has ended */
export function watchTask(gone: () => void): void {
  const task = Deno.ppid;
  watch(() => Deno.ppid === task, gone);
}

function watch(isThere: () => boolean, gone: () => void): void {
  const timer = setInterval(() => {
    if (isThere()) return;
    clearInterval(timer);
    gone();
  }, LOOK_MS);
  Deno.unrefTimer(timer);
}

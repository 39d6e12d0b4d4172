/** Ctrl-C and its like: the first ends training after the steps that are under way, a later one ends the process. */

import { onLauncherGone } from "./launcher_watch.ts";

export interface Stop {
  readonly signal: AbortSignal;
  /** Called at the first signal. */
  onStop: (() => void) | undefined;
}

/** A second signal within this time is the same one: it comes from the terminal, the task and the launcher. */
const ECHO_MS = 1000;

/** @param exitCode of a process that is ended by a later signal. */
export function stopOnSignals(exitCode: number): Stop {
  const controller = new AbortController();
  const stop: Stop = { signal: controller.signal, onStop: undefined };
  let first = 0;
  const handle = () => {
    if (!controller.signal.aborted) {
      first = performance.now();
      controller.abort();
      stop.onStop?.();
    } else if (performance.now() - first > ECHO_MS) Deno.exit(exitCode);
  };
  // SIGHUP: the terminal was closed.
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, handle);
  onLauncherGone(handle);
  return stop;
}

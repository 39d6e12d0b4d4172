/**
 * Standard output that cannot be written, such as a file on a full disk. The command goes on: its lines go to standard
 * error instead, and it ends with an exit code of failure. A pipe that was closed is not a failure.
 */

import process from "node:process";

/** Why standard output could not be written; the first failure. */
let failure: unknown;

/** From now on no line that cannot be written ends the command. What standard error does not take is lost. */
export function guardOutput(): void {
  const [log, error] = [console.log, console.error];
  const write = process.stderr.write.bind(process.stderr); // of the progress
  process.stderr.write = (what: string | Uint8Array) => {
    try {
      return write(what);
    } catch {
      return false;
    }
  };
  console.error = (...what: unknown[]) => {
    try {
      error(...what);
    } catch {
      // Nowhere is left to say it; the exit code still does.
    }
  };
  console.log = (...what: unknown[]) => {
    if (failure === undefined) {
      try {
        return log(...what);
      } catch (cause) {
        failure = cause;
      }
    }
    console.error(...what);
  };
}

/** What kept standard output from being written; undefined if nothing did. */
export function outputFailure(): unknown {
  return failure;
}

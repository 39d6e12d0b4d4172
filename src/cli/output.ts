/**
 * What a command says on standard output, where that may be full (`> /dev/full`, a full disk). A run is not ended for it:
 * the lines go to standard error instead, and the command ends with a failure. A pipe that was closed is no failure.
 */

import process from "node:process";

/** Why standard output could not be written; the first failure. */
let failure: unknown;

/** Lines that go out are guarded from now on. Standard error is the last resort: what cannot be said there is not said. */
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

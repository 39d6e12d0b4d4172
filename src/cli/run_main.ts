/**
 * Runs a command, reports its errors, and ends the process with an exit code. If writing to standard output
 * fails, for example on a full disk, the command writes to standard error instead, and exits with an error
 * code. A closed pipe is no error.
 */

import process from "node:process";
import { getCacheFolder } from "./arguments.ts";
import { watchLauncher } from "./stop.ts";
import { confineWrites } from "../files/write_scope.ts";
import { explainFileError } from "../files/local_file.ts";
import { UserError } from "../user_error.ts";

/** Exit code for an error that the user can fix. */
export const EXIT_USER_ERROR = 1;
/** Exit code for a bug in the program (EX_SOFTWARE of sysexits.h). */
export const EXIT_FAULT = 70;

/** Runs a command, and ends the process with the exit code that `main` returns (default 0). */
export async function runMain(main: () => Promise<number | void>): Promise<never> {
  watchLauncher();
  confineWrites([getCacheFolder()].filter((path) => path !== undefined)); // each command adds its own outputs
  guardOutput();
  const report = (text: string) => console.error(text);
  // Errors outside of `main` are reported like errors of `main`, without a stack trace.
  const failUncaught = (event: Event, error: unknown) => {
    event.preventDefault();
    Deno.exit(reportFailure(error, report));
  };
  globalThis.addEventListener("unhandledrejection", (event) => failUncaught(event, event.reason));
  globalThis.addEventListener("error", (event) => failUncaught(event, event.error));
  return endProcess(await runToExitCode(main, report));
}

/** Ends the process. After a failed write to standard output, the exit code 0 becomes 1. */
export function endProcess(code: number): never {
  const lost = failure;
  if (lost === undefined) return Deno.exit(code);
  const cause = explainFailure(lost)?.message ?? String(lost);
  console.error(
    `error: standard output could not be written (${cause.replace(/^cannot use a file: /, "")}) ` +
      "The output was written to standard error instead, above.",
  );
  return Deno.exit(code === 0 ? EXIT_USER_ERROR : code);
}

/** Runs `main` and returns the exit code. If `main` throws an error, `report` gets the error's message. */
export async function runToExitCode(
  main: () => Promise<number | void>,
  report: (text: string) => void,
): Promise<number> {
  try {
    return (await main()) ?? 0;
  } catch (error) {
    return reportFailure(error, report);
  }
}

/** Returns the first error if further errors followed when files or devices were closed. */
function findFirstError(error: unknown): unknown {
  return error instanceof SuppressedError ? findFirstError(error.suppressed) : error;
}

function reportFailure(thrown: unknown, report: (text: string) => void): number {
  const error = findFirstError(thrown);
  const known = explainFailure(error);
  if (known) {
    report(`error: ${known.message}`);
    return EXIT_USER_ERROR;
  }
  report(error instanceof Error ? error.stack ?? error.message : String(error));
  report("This is a bug in the program. Please report it with the lines above.");
  return EXIT_FAULT;
}

/** First error of a write to standard output; undefined if all writes succeeded. */
let failure: unknown;

/** Makes console.log and console.error safe: if a line cannot be written, the command continues. */
function guardOutput(): void {
  const [log, error] = [console.log, console.error];
  const write = process.stderr.write.bind(process.stderr); // used by progress lines
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
      // The exit code still reports the failure.
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

/** Explains an error of the system, such as a full disk. Returns undefined for a bug in the program. */
export function explainFailure(thrown: unknown): UserError | undefined {
  const error = findFirstError(thrown);
  if (error instanceof UserError) return error;
  if (!(error instanceof Error)) return undefined;
  if (lacksMemory(error)) {
    return new UserError(
      `Expected enough memory, got "${error.message}". Use a smaller input, close other programs, or raise ` +
        "this process's limit (ulimit -v).",
      { cause: error },
    );
  }
  if (/^Empty path is not allowed/.test(error.message)) { // the error has no code
    return new UserError("Expected the path of a file or folder, got an empty path. Name a file or folder.", {
      cause: error,
    });
  }
  const [, command] = /^Failed to spawn '([^']*)': (?!No such cwd)/.exec(error.message) ?? [];
  if (command !== undefined && error instanceof Deno.errors.NotFound) {
    return new UserError(`Expected the command ${command}, found none. Install it, or extend the PATH.`, {
      cause: error,
    });
  }
  const { doing, path } = findFailedPath(error);
  const explained = explainFileError(error, doing, path);
  if (explained instanceof UserError) return explained;
  return error.cause === undefined ? undefined : explainFailure(error.cause);
}

/** Returns true if memory ran out. (An array of negative length gives a similar error, but is a bug.) */
function lacksMemory(error: Error): boolean {
  if (!(error instanceof RangeError)) return false;
  return /^(Array buffer allocation failed|Invalid string length|(Map|Set) maximum size exceeded)/.test(
    error.message,
  ) ||
    /^Invalid typed array length: \d+$/.test(error.message);
}

/** Extracts operation and path from an error's message: "...: open '/a'" (Deno), "..., open '/a'" (Node). */
function findFailedPath(error: Error): { doing: string; path: string } {
  const found = error.message.match(/[:,] (\w+) '([^]*)'$/);
  // The error has this text if Deno's permissions refuse access to a path.
  const refused = error.message.match(/access to "([^"]*)"/)?.[1];
  const own = "path" in error && typeof error.path === "string" ? error.path : undefined;
  if (!found) return { doing: "use", path: own ?? refused ?? "a file" };
  const [, call = "", path = ""] = found;
  if (/^(mkdir|mkdtemp)/.test(call)) return { doing: "make the folder", path };
  const writes = /^(write|rename|remove|rm|unlink|truncate|copy|sync|ftruncate)/.test(call);
  return { doing: writes ? "write" : "read", path };
}

/**
 * How a command ends: its exit code, and what is said when it fails.
 *
 * Standard output that cannot be written, such as a file on a full disk, does not end it: its lines go to standard error
 * instead, and the exit code is one of failure. A pipe that was closed is not a failure.
 */

import process from "node:process";
import { getCacheFolder } from "./arguments.ts";
import { watchLauncher } from "./stop.ts";
import { confineWrites } from "../files/write_scope.ts";
import { explainFileError } from "../files/local_file.ts";
import { UserError } from "../user_error.ts";

/** Exit code of a mistake or condition that the user can put right. */
export const EXIT_USER_ERROR = 1;
/** Exit code of a fault in the program (EX_SOFTWARE of sysexits.h). */
export const EXIT_FAULT = 70;

/** Runs a command to its end and leaves the process with its exit code (0 unless `main` returns another). */
export async function runMain(main: () => Promise<number | void>): Promise<never> {
  watchLauncher();
  confineWrites([getCacheFolder()].filter((path) => path !== undefined)); // a command adds its outputs
  guardOutput();
  const report = (text: string) => console.error(text);
  // What fails beside the command's own course would otherwise end the process with a stack trace.
  const failBeside = (event: Event, error: unknown) => {
    event.preventDefault();
    Deno.exit(tellFailure(error, report));
  };
  globalThis.addEventListener("unhandledrejection", (event) => failBeside(event, event.reason));
  globalThis.addEventListener("error", (event) => failBeside(event, event.error));
  return endProcess(await runToExitCode(main, report));
}

/** Leaves the process; one that was to succeed has failed if its words on standard output were lost. */
export function endProcess(code: number): never {
  const lost = failure;
  if (lost === undefined) return Deno.exit(code);
  const cause = explainFailure(lost)?.message ?? String(lost);
  console.error(
    `error: standard output could not be written (${cause.replace(/^cannot use a file: /, "")}) ` +
      "Its lines were written to standard error instead: see above.",
  );
  return Deno.exit(code === 0 ? EXIT_USER_ERROR : code);
}

/** The exit code of a command; what went wrong is told to `report`. */
export async function runToExitCode(
  main: () => Promise<number | void>,
  report: (text: string) => void,
): Promise<number> {
  try {
    return (await main()) ?? 0;
  } catch (error) {
    return tellFailure(error, report);
  }
}

/** What went wrong first, where more did as things were let go of (a disk that is full is so for every log). */
function findFirstError(error: unknown): unknown {
  return error instanceof SuppressedError ? findFirstError(error.suppressed) : error;
}

/** @returns the exit code. */
function tellFailure(thrown: unknown, report: (text: string) => void): number {
  const error = findFirstError(thrown);
  const known = explainFailure(error);
  if (known) {
    report(`error: ${known.message}`);
    return EXIT_USER_ERROR;
  }
  report(error instanceof Error ? error.stack ?? error.message : String(error));
  report("This is a fault in the program, not in how you used it: please report it with the lines above.");
  return EXIT_FAULT;
}

/** Why standard output could not be written; the first failure. */
let failure: unknown;

/** From now on no line that cannot be written ends the command. What standard error does not take is lost. */
function guardOutput(): void {
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

/**
 * Failures of the system that nobody on the way has put into words.
 * @returns undefined for what is no failure of the system, but a fault in the program.
 */
export function explainFailure(thrown: unknown): UserError | undefined {
  const error = findFirstError(thrown);
  if (error instanceof UserError) return error;
  if (!(error instanceof Error)) return undefined;
  if (lacksMemory(error)) {
    return new UserError(
      `there is not enough memory (${error.message}). Use a smaller input, close other programs, or raise the limit ` +
        "that this process has (ulimit -v).",
      { cause: error },
    );
  }
  if (/^Empty path is not allowed/.test(error.message)) { // it comes without a code
    return new UserError("expected the path of a file or folder, found an empty one. Name one.", {
      cause: error,
    });
  }
  const [, command] = /^Failed to spawn '([^']*)': (?!No such cwd)/.exec(error.message) ?? [];
  if (command !== undefined && error instanceof Deno.errors.NotFound) {
    return new UserError(`expected the command ${command}, found none. Install it, or put it on the PATH.`, {
      cause: error,
    });
  }
  const { doing, path } = findFailedPath(error);
  const explained = explainFileError(error, doing, path);
  if (explained instanceof UserError) return explained;
  return error.cause === undefined ? undefined : explainFailure(error.cause);
}

/** The engine's words for memory that it does not get. Lengths below 0 or of no number are faults, not requests. */
function lacksMemory(error: Error): boolean {
  if (!(error instanceof RangeError)) return false;
  return /^(Array buffer allocation failed|Invalid string length|(Map|Set) maximum size exceeded)/.test(
    error.message,
  ) ||
    /^Invalid typed array length: \d+$/.test(error.message);
}

/** What was tried, and where, as far as the error says so: "...: open '/a/b'" (Deno), "..., open '/a/b'" (Node). */
function findFailedPath(error: Error): { doing: string; path: string } {
  const found = error.message.match(/[:,] (\w+) '([^]*)'$/);
  if (!found) return { doing: "use", path: ownPath(error) ?? refusedPath(error) ?? "a file" };
  const [, call = "", path = ""] = found;
  if (/^(mkdir|mkdtemp)/.test(call)) return { doing: "make the folder", path };
  const writes = /^(write|rename|remove|rm|unlink|truncate|copy|sync|ftruncate)/.test(call);
  return { doing: writes ? "write" : "read", path };
}

/** What Deno's permissions keep from the process. */
function refusedPath({ message }: Error): string | undefined {
  return message.match(/access to "([^"]*)"/)?.[1];
}

function ownPath(error: Error): string | undefined {
  return "path" in error && typeof error.path === "string" ? error.path : undefined;
}

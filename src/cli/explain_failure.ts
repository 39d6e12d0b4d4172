/** Failures of the system that nobody on the way has put into words: the last place that can. */

import { explainFileError } from "../run/files/file_error.ts";
import { UserError } from "../user_error.ts";

/** @returns undefined for what is no failure of the system, but a fault in the program. */
export function explainFailure(error: unknown): UserError | undefined {
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
  const { doing, path } = placeOf(error);
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
function placeOf(error: Error): { doing: string; path: string } {
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

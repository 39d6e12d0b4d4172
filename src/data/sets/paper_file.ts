import type { ClickLog, Split } from "../click_log.ts";
import { MOST_PAPER_BYTES, parsePaperLog, parsePaperUsers } from "../paper_log.ts";
import { expectFile, expectLocal, readTextSync, withFileErrorsSync } from "../../files/local_file.ts";
import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";

/**
 * Reads a file in the paper's layout as a log. Items are one-hot; their numbers are in the file's column
 * item_new_index.
 * @param needed: splits that must have users; default: all. @throws UserError that names file and faulty line
 */
export function readPaperFile(path: string, needed?: readonly Split[]): ClickLog {
  return parsePaperLog(path, readText(path), needed);
}

/** Returns the ids of a file's users, in order of user number. @throws UserError with the faulty line. */
export function readPaperUsers(path: string): number[] {
  return parsePaperUsers(path, readText(path));
}

function readText(path: string): string {
  expectLocal(path);
  if (path === "") {
    throw new UserError("Expected the path of a tab-separated file, got an empty path. Name the file.");
  }
  const { size } = expectFile(path);
  if (size > MOST_PAPER_BYTES) {
    throw new UserError(
      `${path}: ${formatThousands(size)} bytes, expected at most ${formatThousands(MOST_PAPER_BYTES)}. ` +
        "Use a file with fewer users, or leave out columns that are not needed.",
    );
  }
  return withFileErrorsSync("read", path, () => readTextSync(path));
}

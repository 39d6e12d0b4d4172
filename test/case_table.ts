import assert from "node:assert/strict";
import { UserError } from "../src/user_error.ts";

/** Parses a table with a row per line and " | " between cells. Lines with a larger indent continue a row. */
export function parseRows(table: string): string[][] {
  const lines = table.replace(/^\n|\n *$/g, "").split("\n");
  const indent = /^ */.exec(lines[0] ?? "")?.[0] ?? "";
  const rows = lines.join("\n").replaceAll(new RegExp(`\\n${indent} +`, "g"), " ").split("\n");
  return rows.map((row) => row.trim().split(/ *\| +/));
}

/** Returns a pattern for messages that contain `text`, in which … stands for anything and # for digits. */
export function toPattern(text: string): RegExp {
  const plain = text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(plain.replaceAll("…", "[^]*").replaceAll("#", "\\d+"));
}

/**
 * Asserts that `work` ends with a UserError, and returns its message. @param says text that the message
 * contains ({@link toPattern}). @param what name of the work, for assertion messages
 */
export async function expectRefusal(
  work: () => unknown,
  says: RegExp | string,
  what?: string,
): Promise<string> {
  let message = "";
  await assert.rejects(async () => await work(), (error) => {
    assert.ok(
      error instanceof UserError,
      `${what ?? "expected a UserError"}: ${error instanceof Error ? error.stack : error}`,
    );
    ({ message } = error);
    assert.match(message, typeof says === "string" ? toPattern(says) : says, what);
    return true;
  }, what);
  return message;
}

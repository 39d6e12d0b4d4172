import assert from "node:assert/strict";
import { UserError } from "../src/user_error.ts";

/** Parses a table: a row per line, " | " between cells. A line with a larger indent continues the row. */
export function parseRows(table: string): string[][] {
  const lines = table.replace(/^\n|\n *$/g, "").split("\n");
  const indent = /^ */.exec(lines[0] ?? "")?.[0] ?? "";
  const rows = lines.join("\n").replaceAll(new RegExp(`\\n${indent} +`, "g"), " ").split("\n");
  return rows.map((row) => row.trim().split(/ *\| +/));
}

/** Returns a pattern for messages that contain a text, in which … matches anything and # matches digits. */
export function toPattern(text: string): RegExp {
  const plain = text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(plain.replaceAll("…", "[^]*").replaceAll("#", "\\d+"));
}

/**
 * Asserts that work ends with a UserError. @param says text in its message, see {@link toPattern}. @param
 * what name of the work, for messages. @returns the message
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

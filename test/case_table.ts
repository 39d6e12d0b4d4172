/** Cases of tests as tables of text: a line each, and what a message must say as it reads. */

import assert from "node:assert/strict";
import { UserError } from "../src/user_error.ts";

/** The rows of a table: a line each, with " | " between its cells. A line that is indented further goes on with the row before it. */
export function parseRows(table: string): string[][] {
  const lines = table.replace(/^\n|\n *$/g, "").split("\n");
  const indent = /^ */.exec(lines[0] ?? "")?.[0] ?? "";
  const rows = lines.join("\n").replaceAll(new RegExp(`\\n${indent} +`, "g"), " ").split("\n");
  return rows.map((row) => row.trim().split(/ *\| +/));
}

/** A message that has this text in it: … is anything, # is digits. */
export function toPattern(text: string): RegExp {
  const plain = text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return new RegExp(plain.replaceAll("…", "[^]*").replaceAll("#", "\\d+"));
}

/**
 * Work that ends with a UserError.
 * @param says what its message has in it. @param what is done, for messages. @returns the message.
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

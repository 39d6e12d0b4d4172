/** What tests of files share: a folder that goes again, and errors that are the user's to mend. */

import assert from "node:assert/strict";
import { UserError } from "../../src/user_error.ts";

/** An empty folder, which is removed afterwards. */
export async function withEmptyFolder<T>(body: (folder: string) => Promise<T> | T): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-" });
  try {
    return await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A check for assert.throws and assert.rejects: a UserError whose message matches all of these. */
export function userError(...messages: readonly RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof UserError, String(error));
    for (const message of messages) assert.match(error.message, message);
    return true;
  };
}

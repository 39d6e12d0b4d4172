/** What the process of a peer says: lines of JSON behind a mark. The same in protocol.py. */

import * as v from "../../src/schema.ts";

/** Libraries write to standard output too. */
export const MARK = "@peer ";

const messageSchema = v.union([
  /** Everything is made; with what it runs on, or nothing. */
  v.object({ ready: v.string() }),
  /** Steps are done: how long they took together, and the last one's loss; null for one that is no finite number. */
  v.object({ ms: v.finiteNumber(), loss: v.nullable(v.finiteNumber()) }),
  /** Why it ends. */
  v.object({ failed: v.string(), cannot: v.boolean() }),
]);
export type Message = v.InferOutput<typeof messageSchema>;

/** The message of a line; nothing for a line that is none. */
export function readMessage(line: string): Message | undefined {
  if (!line.startsWith(MARK)) return undefined;
  return v.parse(messageSchema, JSON.parse(line.slice(MARK.length)));
}

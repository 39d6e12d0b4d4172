/** What the process of a peer says: lines of JSON behind a mark. The same in protocol.py. */

import { z } from "zod";

/** Libraries write to standard output too. */
export const MARK = "@peer ";

const messageSchema = z.union([
  /** Everything is made; with what it runs on, or nothing. */
  z.object({ ready: z.string() }),
  /** Steps are done: how long they took together, and the last one's loss; null for one that is no finite number. */
  z.object({ ms: z.number(), loss: z.number().nullable() }),
  /** Why it ends. */
  z.object({ failed: z.string(), cannot: z.boolean() }),
]);
export type Message = z.infer<typeof messageSchema>;

/** The message of a line; nothing for a line that is none. */
export function readMessage(line: string): Message | undefined {
  if (!line.startsWith(MARK)) return undefined;
  return messageSchema.parse(JSON.parse(line.slice(MARK.length)));
}

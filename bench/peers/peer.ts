/** What a peer is: something that trains, in a process that says lines of JSON behind a mark. The same in protocol.py. */

import * as v from "../../src/schema.ts";

export interface Peer {
  /**
   * Takes this many more steps, each from the weights that the one before left, and waits until the last is done.
   * @returns the loss of the last step's batch before its update.
   */
  run(steps: number): Promise<number>;
  /** What it runs on, where there is something to say. */
  readonly note?: string;
}

/** A peer cannot do this job, for a reason that belongs in the table. */
export class CannotError extends Error {}

/** The rate of step t = 1, 2, ... of Adam in TensorFlow's form: lr sqrt(1 - b2^t) / (1 - b1^t). */
export { adamRate } from "../../src/ops/adam.ts";
export const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

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

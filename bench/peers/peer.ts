/** What the file of a peer gives: something that trains. */

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

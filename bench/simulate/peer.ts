/** A process of simulate_peer.py: PyTorch plays the pages that clickgan plays, once it has shown that they are the same. */

import * as v from "../../src/schema.ts";
import { UserError } from "../../src/user_error.ts";
import { PeerProcess } from "../peers/peer.ts";
import { type Torch, torchVariants } from "../peers/roster.ts";
import type { ActingKind } from "./pages.ts";

/** What is timed: pages of a policy, or pages that are learned from. */
export type Kind = ActingKind | "learn";

/** One who plays pages. */
export interface Player {
  /** As in the table. */
  readonly name: string;
  /** @returns milliseconds */
  play(pages: number): Promise<number>;
}

/** Seconds that a peer may take for anything. */
const PATIENCE = 300;

/**
 * How far a peer may be from clickgan on the same pages, in float32 and by other orders of summing: P(any click), the share of
 * slates that differ, the loss and the values of a lesson (by their size where that is above 1).
 */
const TOLERANCE = { probability: 1e-4, slates: 0.01, loss: 1e-4, q: 1e-4 };

/** Why a peer does not compute what clickgan does; nothing if it does. @param found null for what is no number */
export function disagreement(found: Readonly<Record<string, number | null>>): string | undefined {
  const wrong = Object.entries(TOLERANCE).find(([name, most]) =>
    name in found && !((found[name] ?? NaN) <= most)
  );
  return wrong && `${wrong[0]} is off by ${found[wrong[0]]}, expected at most ${wrong[1]}`;
}

/** A peer that is ready. */
export class SimulatePeer {
  private constructor(readonly name: string, private readonly process: PeerProcess) {}

  /** @param file of the job. @throws UserError for one that computes something else, Error for one that fails. */
  static async start({ name, python }: Torch, file: string): Promise<SimulatePeer> {
    const script = new URL("../peers/simulate_peer.py", import.meta.url).pathname;
    const [{ environment = {} } = {}] = torchVariants();
    const process = await PeerProcess.start({ program: python, args: [script, file], environment }, PATIENCE);
    const wrong = disagreement(
      v.parse(v.record(v.string(), v.nullable(v.finiteNumber())), JSON.parse(process.note)),
    );
    if (wrong === undefined) return new SimulatePeer(name, process);
    process.stop();
    throw new UserError(`Expected ${name} to compute what clickgan does: ${wrong}.`);
  }

  player(kind: Kind, users: number): Player {
    const { name, process } = this;
    return { name, play: async (pages) => (await process.run(pages, PATIENCE, `${kind} ${users}`)).ms };
  }

  [Symbol.dispose](): void {
    this.process.stop();
  }
}

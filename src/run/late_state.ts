/** A training's state that is read part by part: all of a million items' tables at once may be more than the host's memory. */

import type { Weights } from "../tape/parameters.ts";
import type { BatchTrainer } from "../train/batch_trainer.ts";
import { criteria, type Criterion } from "../train/best_records.ts";
import { readJoined, writeJoined } from "../train/networks.ts";
import { BUFFERS, type TrainerState } from "../train/trainer_state.ts";

/** A {@link TrainerState}, of which the large parts are read when they are asked for. */
export interface LateState extends Pick<TrainerState, "iteration" | "best" | "snapshots"> {
  part(name: keyof typeof BUFFERS): Promise<Weights>;
}

/** What of a trainer has a state. */
type Trained = Pick<BatchTrainer<never, unknown>, "restore" | "holders" | "iteration" | "best">;

/** What a training stands at. Nothing may run until its parts are read. */
export async function lateState({ holders, iteration, best }: Trained): Promise<LateState> {
  const { networks, keeper } = holders;
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const weights = await keeper?.snapshot(criterion, true);
    if (weights) snapshots[criterion] = weights;
  }
  return { iteration, best, snapshots, part: (name) => readJoined(networks, BUFFERS[name]) };
}

/** Puts a training where another one stood. Nothing may be in flight. */
export async function restoreLate(trainer: Trained, state: LateState): Promise<void> {
  for (const name of ["weights", "m", "v"] as const) {
    writeJoined(trainer.holders.networks, await state.part(name), BUFFERS[name]);
  }
  const written: Weights = new Map();
  trainer.restore({ ...state, weights: written, m: written, v: written });
}

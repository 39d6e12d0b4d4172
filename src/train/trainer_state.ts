import type { Weights } from "../tape/parameters.ts";
import type { BestRecords, Criterion } from "./best_records.ts";
import type { BufferPicker } from "./networks.ts";

/** State from which a training is resumed with the same bits. Names of generator parameters have a prefix. */
export interface TrainerState {
  /** Number of finished training steps. */
  readonly iteration: number;
  /** Weights of all networks. */
  readonly weights: Weights;
  /** Adam's first moments; zeros for a network that is not trained. */
  readonly m: Weights;
  /** Adam's second moments; zeros for a network that is not trained. */
  readonly v: Weights;
  /** Best validation result so far for each criterion. */
  readonly best: BestRecords;
  /** Best weights by each criterion; empty if the training has no validations. */
  readonly snapshots: Partial<Record<Criterion, Weights>>;
}

/** For each part of a network's state, a function that returns its buffer. */
export const stateBuffers = {
  weights: ({ parameters }) => parameters.weights.buffer,
  m: ({ adam }) => adam?.m.buffer,
  v: ({ adam }) => adam?.v.buffer,
} satisfies Record<string, BufferPicker>;

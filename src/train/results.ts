/** What a training tells: figures of its steps and validations, or that it has diverged. */

import { UserError } from "../user_error.ts";
import type { BestRecords } from "./best_records.ts";

/** One training step: the figures F of its batch before the update. */
export type StepResult<F> = F & {
  /** From 1 on. */
  readonly iteration: number;
};

/** Figures F of the validation batch, with the weights as they are after an iteration. */
export type ValidationResult<F> = StepResult<F> & {
  /** The best validations so far, this one included. */
  readonly best: BestRecords;
  /** Events that the figures are means over; of precisions, those of them with a click. */
  readonly counted: number;
};

/** A loss is no finite number any more. */
export class DivergedError extends UserError {
  /**
   * An error whose message says which loss it is, and what to do.
   * @param iteration the one of that loss.
   * @param rates the options that are too large.
   * @param loss which.
   */
  constructor(
    /** Whose loss it is. */
    readonly iteration: number,
    rates: string,
    loss = "loss",
  ) {
    super(
      `The ${loss} of iteration ${iteration} is not a finite number: training has diverged. ` +
        `Use a smaller ${rates}, or smaller weights to start from; snapshots from before it are kept.`,
    );
  }
}

/** The tape over batches of clicks: ops find the batch's index arrays at it. */

import type { Reference } from "../tape/reference.ts";
import type { Call } from "../tape/node.ts";
import { Tape, type TapeOptions } from "../tape/tape.ts";
import type { ClickBatch } from "./click_batch.ts";
import { clickDimensions, type ClickSizes } from "./click_sizes.ts";
import type { ReferenceBatch } from "./reference_batch.ts";

export type ClickCall = Call<ClickSizes>;
/** An op's f64 reference that reads the batch. */
export type ClickReference = Reference<ReferenceBatch>;

export class ClickTape extends Tape<ClickSizes, ReferenceBatch> {
  constructor(readonly batch: ClickBatch, options: Omit<TapeOptions<ClickSizes>, "dimensions">) {
    super({ dimensions: clickDimensions, ...options });
  }
}

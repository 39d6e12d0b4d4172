/** The tape over batches of clicks; it gives ops the batch's index arrays. */

import type { ReferenceOp } from "../tape/reference.ts";
import type { OpCall } from "../tape/node.ts";
import { Tape, type TapeOptions } from "../tape/tape.ts";
import { clickDimensions, type ClickSizes } from "./click_sizes.ts";
import type { ReferenceBatch } from "./reference_batch.ts";
import type { View } from "../gpu/memory.ts";
import type { DeviceItems } from "./device_items.ts";
import type { LogCountSummary } from "./device_log.ts";
import type { TokenPairs } from "./token_pairs.ts";

export type ClickCall = OpCall<ClickSizes>;
export type ClickReference = ReferenceOp<ReferenceBatch>;

export class ClickTape extends Tape<ClickSizes, ReferenceBatch> {
  constructor(readonly batch: ClickBatch, options: Omit<TapeOptions<ClickSizes>, "dimensions">) {
    super({ dimensions: clickDimensions, ...options });
  }
}

/** Index arrays of a batch, usually of users of a log; the headers of the batch kernels define their layouts. */
export interface ClickBatch {
  readonly plan: View;
  readonly items: DeviceItems;
  readonly event: View;
  readonly eventItem: View;
  readonly history: View;
  /** Clicked events before each event, if `event` does not hold them: a list; `history` holds its end for each event. */
  readonly clicks?: View;
  readonly row: View;
  /** Counts of the log's rows and items. Absent on a page whose items are the catalogue's. */
  readonly facts?: LogCountSummary;
  /** [words, users] bits of simulated users, see kernels/simulate/pass_over.wgsl. */
  readonly passed?: { readonly view: View; readonly users: number };
  /** Items per page, if the rows of an event belong to several pages. */
  readonly pageLength?: number;
  /** Slot of each row's item among the distinct items of the batch; with one-hot items the item's number. */
  readonly rowItem: View;
  readonly slotItem: View;
  readonly slotFirst: View;
  readonly sorted: View;
  readonly ranked: View;
  /** The batch's items by token. @throws Error if the items have no tokens. */
  readonly tokenPairs: TokenPairs;
}

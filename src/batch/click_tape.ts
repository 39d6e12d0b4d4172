/** The tape over batches of clicks: ops find the batch's index arrays at it. */

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
/** An op's f64 reference that reads the batch. */
export type ClickReference = ReferenceOp<ReferenceBatch>;

export class ClickTape extends Tape<ClickSizes, ReferenceBatch> {
  constructor(readonly batch: ClickBatch, options: Omit<TapeOptions<ClickSizes>, "dimensions">) {
    super({ dimensions: clickDimensions, ...options });
  }
}

/** Index arrays of a batch: of a log's users as a rule (batch_buffers.ts). Their layouts stand in the headers of the batch kernels. */
export interface ClickBatch {
  /** The batch's users in the plan. */
  readonly plan: View;
  readonly items: DeviceItems;
  readonly event: View;
  readonly eventItem: View;
  readonly history: View;
  /**
   * Where the clicks before an event stand, if not in `event` before it: a list in which `history` says where they end. An
   * entry is that of an event that was clicked.
   */
  readonly clicks?: View;
  readonly row: View;
  /** What counts know of the log's rows and items. Absent on a page whose items are the catalogue's. */
  readonly facts?: LogCountSummary;
  /** [words, users]: see kernels/simulate/pass_over.wgsl; of simulated users. */
  readonly passed?: { readonly view: View; readonly users: number };
  /** Items of a page, where the rows of an event are not those of one page. */
  readonly pageLength?: number;
  /** Where a row's item stands among the batch's distinct items; of one-hot items its number. */
  readonly rowItem: View;
  readonly slotItem: View;
  readonly slotFirst: View;
  readonly sorted: View;
  readonly ranked: View;
  /** The batch's items by token. @throws Error where there are none. */
  readonly tokenPairs: TokenPairs;
}

/** Autodiff tape over batches of clicks. Ops read a batch's index arrays from the tape. */

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
  constructor(
    readonly batch: ClickBatch,
    options:
      & Omit<TapeOptions<ClickSizes>, "dimensions">
      & Partial<Pick<TapeOptions<ClickSizes>, "dimensions">>,
  ) {
    super({ dimensions: clickDimensions, ...options });
  }
}

/** Index arrays of a batch of users. The comments at the top of the batch kernels explain their layouts. */
export interface ClickBatch {
  readonly plan: View;
  readonly items: DeviceItems;
  readonly event: View;
  readonly eventItem: View;
  readonly history: View;
  /** Lists of earlier events with a click, if `event` lacks them; `history` has each event's list end. */
  readonly clicks?: View;
  readonly row: View;
  /** Inputs of count features, per row and item of the log; absent if each page is the whole catalogue. */
  readonly facts?: LogCountSummary;
  /** Array [words, users]: items that simulated users saw, `slate` per page; see simulate/pass_over.wgsl. */
  readonly passed?: {
    readonly view: View;
    readonly users: number;
    readonly words: number;
    readonly slate: number;
  };
  /** Number of items per page, if the rows of an event belong to several pages. */
  readonly pageLength?: number;
  /** Item of each row: its index among the batch's distinct items or, if one-hot, its item number. */
  readonly rowItem: View;
  readonly slotItem: View;
  readonly slotFirst: View;
  readonly sorted: View;
  readonly ranked: View;
  /** The batch's (item, token) pairs sorted by token. @throws Error if the items have no tokens. */
  readonly tokenPairs: TokenPairs;
}

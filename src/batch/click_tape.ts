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

/** Index arrays of a batch of users. The comments of the batch kernels explain the layouts of the arrays. */
export interface ClickBatch {
  readonly items: DeviceItems;
  /** Index arrays that only batches from a log have. @throws Error for other batches (simulated pages). */
  readonly logged: LogIndices;
  readonly event: View;
  readonly history: View;
  /** Clicks of simulated users, as one list per user. `history` contains each list's length and end index. */
  readonly clicks?: View;
  readonly row: View;
  /** Counts from which the kernels compute count features; absent for simulated pages. */
  readonly facts?: LogCountSummary;
  /** Counts of displays without a click, [words, users] (see pass_over.wgsl). Pages have `slate` items. */
  readonly passed?: {
    readonly view: View;
    readonly users: number;
    readonly words: number;
    readonly slate: number;
  };
  /** Context features of simulated pages (`SimulatedContexts`). If undefined, features are their means. */
  readonly contexts?: {
    /** Array [count + items x perItem, X]. A row has `ofItem` impression features, and then page features. */
    readonly view: View;
    /** Number of rows that are drawn from logged pages. They are followed by `perItem` rows of each item. */
    readonly count: number;
    readonly ofItem: number;
    readonly perItem: number;
  };
  /** Number of items per page. If undefined, each event is one page, which may have any number of items. */
  readonly pageLength?: number;
  /** Index of each displayed item among the batch's distinct items; for one-hot items, the item's number. */
  readonly rowItem: View;
  readonly slotItem: View;
}

export interface LogIndices {
  readonly plan: View;
  readonly eventItem: View;
  readonly slotFirst: View;
  readonly sorted: View;
  readonly ranked: View;
  /** (item, token) pairs of the batch, sorted by token. @throws Error if the items have no tokens. */
  readonly tokenPairs: TokenPairs;
}

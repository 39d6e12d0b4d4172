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
  /** Further index arrays of a batch from a log. @throws Error for other batches, such as simulated pages. */
  readonly logged: LogIndices;
  readonly event: View;
  readonly history: View;
  /** Clicks of simulated users, as one list per user. `history` contains each list's length and end index. */
  readonly clicks?: View;
  readonly row: View;
  /** Counts from which the kernels compute count features; absent for simulated pages. */
  readonly facts?: LogCountSummary;
  /** `view`: [words, users] counts of displays without a click (pass_over.wgsl). `slate`: items per page. */
  readonly passed?: {
    readonly view: View;
    readonly users: number;
    readonly words: number;
    readonly slate: number;
  };
  /** Values of context features on simulated pages. If absent, the kernels use each feature's mean. */
  readonly contexts?: {
    /** Array [rows, X]: a row's `ofItem` impression features come before its page features. */
    readonly view: View;
    /** `view` has `count` rows drawn from logged pages, and then `perItem` rows (0 or more) for each item. */
    readonly count: number;
    readonly ofItem: number;
    readonly perItem: number;
  };
  /** Number of items per page. If undefined, each event is one page, which may have any number of items. */
  readonly pageLength?: number;
  /** Per row: index of its item among the batch's distinct items; for one-hot items, the item's number. */
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

/** The batch on the GPU: from the users that the plan names to events, rows, distinct items, and rows by item. */

import expandText from "../../kernels/batch_expand.wgsl" with { type: "text" };
import groupText from "../../kernels/batch_group.wgsl" with { type: "text" };
import rankText from "../../kernels/batch_rank.wgsl" with { type: "text" };
import type { Arena } from "../gpu/arena.ts";
import { kernel } from "../gpu/kernel.ts";
import type { DispatchSpec } from "../gpu/program.ts";
import type { View } from "../gpu/memory.ts";
import type { BatchSizes } from "../gpu/step.ts";
import type { DeviceItems } from "./device_items.ts";
import { bitWords, type DeviceLog } from "./device_log.ts";
import { TokenPairs } from "./token_pairs.ts";

const expandKernel = kernel("batch_expand", expandText);
const rankKernel = kernel("batch_rank", rankText);
const groupKernel = kernel("batch_group", groupText);

/** Index arrays of the current batch; see the headers of the batch kernels for their layouts. */
export class BatchBuffers {
  readonly event: View;
  readonly eventItem: View;
  readonly history: View;
  readonly row: View;
  readonly rowItem: View;
  readonly slotItem: View;
  readonly slotFirst: View;
  readonly sorted: View;
  readonly ranked: View;
  readonly #bits: View;
  readonly #itemWords: number;
  readonly #words: number;
  #tokenPairs: TokenPairs | undefined;
  #dispatched = false;

  constructor(
    private readonly arena: Arena,
    readonly plan: View,
    readonly log: DeviceLog,
    private readonly capacity: BatchSizes,
  ) {
    this.#itemWords = bitWords(log.itemBits);
    this.#words = this.#itemWords + bitWords(log.capacity.rows);
    this.event = arena.allocate("event", 16 * capacity.events);
    this.eventItem = arena.allocate("event_item", 4 * capacity.events);
    this.history = arena.allocate("history", 8 * capacity.events);
    this.row = arena.allocate("row", 16 * capacity.rows);
    this.rowItem = arena.allocate("row_item", 4 * capacity.rows);
    this.slotItem = arena.allocate("slot_item", 4 * capacity.items);
    this.slotFirst = arena.allocate("slot_first", 4 * (capacity.items + 1));
    this.sorted = arena.allocate("sorted", 4 * capacity.rows);
    this.#bits = arena.allocate("bits", 4 * this.#words);
    this.ranked = arena.allocate("ranked", 8 * this.#words);
  }

  get items(): DeviceItems {
    return this.log.items;
  }

  /**
   * The batch's items by token, which gradients of token tables walk along: made for whoever asks first, so that an
   * evaluation has none. @throws Error after {@link dispatches}, and for items without tokens.
   */
  get tokenPairs(): TokenPairs {
    const { tokens } = this.items;
    if (!tokens) throw new Error(`expected items with tokens, got ${this.items.kind} ones`);
    if (!this.#tokenPairs && this.#dispatched) {
      throw new Error(
        "the batch's dispatches must be taken after those of the gradients that need its tokens",
      );
    }
    return this.#tokenPairs ??= new TokenPairs(this.arena, tokens, this, this.capacity);
  }

  dispatches(): DispatchSpec[] {
    this.#dispatched = true;
    const { log, event, eventItem, history, row, ranked, rowItem, slotItem, slotFirst, sorted } = this;
    const ITEM_WORDS = this.#itemWords;
    const bits = this.#bits;
    return [
      {
        kernel: expandKernel,
        label: "batch expand",
        constants: { ITEM_WORDS },
        views: {
          plan: this.plan,
          log_event: log.event,
          log_row: log.row,
          event,
          event_item: eventItem,
          row,
          bits,
          history,
        },
        invocations: (s) => [s.events],
        cost: (s) => ({ flops: 0, bytes: 52 * s.events + 36 * s.rows }),
      },
      {
        kernel: rankKernel,
        label: "batch rank",
        constants: { WORDS: this.#words },
        views: { bits, ranked },
        invocations: () => [1],
        cost: () => ({ flops: 0, bytes: 20 * this.#words }),
      },
      {
        kernel: groupKernel,
        label: "batch group",
        constants: { ITEM_WORDS, ONE_HOT: this.items.kind === "one-hot" },
        views: {
          row,
          ranked,
          log_item: log.item,
          row_item: rowItem,
          slot_item: slotItem,
          slot_first: slotFirst,
          sorted,
        },
        invocations: (s) => [s.rows],
        cost: (s) => ({ flops: 0, bytes: 44 * s.rows }),
      },
      ...(this.#tokenPairs?.dispatches() ?? []),
    ];
  }
}

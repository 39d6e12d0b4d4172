/** Index arrays of batches on the GPU: the events, displayed items (rows) and distinct items of a batch. */

import expandText from "../../kernels/batch/batch_expand.wgsl" with { type: "text" };
import groupText from "../../kernels/batch/batch_group.wgsl" with { type: "text" };
import type { Arena } from "../gpu/arena.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { UNIFORM_BYTES, type View } from "../gpu/memory.ts";
import { STEP_STRIDE } from "../gpu/step.ts";
import type { ClickBatch, LogIndices } from "./click_tape.ts";
import type { ClickDispatch, ClickSizes } from "./click_sizes.ts";
import type { DeviceItems } from "./device_items.ts";
import { padBitWords, rankBits, roundUp } from "./rank_bits.ts";
import { countBitWords, type DeviceLog, type LogCountSummary } from "./device_log.ts";
import { TokenPairs } from "./token_pairs.ts";

const expandKernel = parseKernel("batch_expand", expandText);
const groupKernel = parseKernel("batch_group", groupText);

const MOST_SLICES = 16;
const SLICE_BYTES = 8 * 2 ** 20;

export interface BatchSteps {
  /** Number of batches that one dispatch builds. */
  readonly slices: number;
  /** Number of step headers per batch. */
  readonly headersEach: number;
  /** The words of bit sets are rounded up to a multiple of this number; by default, that of {@link roundUp}. */
  readonly multiple?: number;
}

/** Index arrays of the batches of the next training steps. Each array has one slice per batch. */
export class BatchIndexBuffers implements ClickBatch, LogIndices {
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
  readonly #steps: BatchSteps;
  #tokenPairs: TokenPairs | undefined;
  #dispatched = false;

  constructor(
    private readonly arena: Arena,
    readonly plan: View,
    readonly log: DeviceLog,
    private readonly capacity: ClickSizes,
    steps: BatchSteps = { slices: 1, headersEach: 1 },
  ) {
    this.#steps = steps;
    const { slices: count, multiple } = steps;
    this.#itemWords = roundUp(countBitWords(log.itemBits), multiple);
    this.#words = roundUp(this.#itemWords + countBitWords(log.capacity.rows), multiple);
    const { events, rows, items } = capacity;
    const sliced = (name: string, bytesEach: number, elements: number, room = elements): View => {
      const size = bytesEach * elements;
      const stride = bytesEach * roundUp(room);
      const { buffer, offset } = arena.allocate(name, stride * (count - 1) + size);
      return { buffer, offset, size, slices: { count, stride } };
    };
    this.event = sliced("event", 16, events);
    this.eventItem = sliced("event_item", 4, events);
    this.history = sliced("history", 8, events);
    this.row = sliced("row", 16, rows);
    this.rowItem = sliced("row_item", 4, rows);
    this.slotItem = sliced("slot_item", 4, items, items + 1);
    this.slotFirst = sliced("slot_first", 4, items + 1);
    this.sorted = sliced("sorted", 4, rows);
    this.#bits = sliced("bits", 4, padBitWords(this.#words));
    this.ranked = sliced("ranked", 8, padBitWords(this.#words));
  }

  get logged(): LogIndices {
    return this;
  }
  get items(): DeviceItems {
    return this.log.items;
  }
  get facts(): LogCountSummary {
    return this.log.facts ?? throwMissingCounts();
  }

  /** Returns how many batches a dispatch builds, limited by memory and the size of uniform buffers. */
  static countSlices(
    { itemBits, capacity: { rows: logRows } }: DeviceLog,
    { events, rows, items }: ClickSizes,
    headersEach = 1,
  ): number {
    const bytes = 28 * (events + rows) + 8 * items + 12 * (countBitWords(itemBits) + countBitWords(logRows));
    const headers = Math.floor(UNIFORM_BYTES / STEP_STRIDE / headersEach);
    return Math.max(1, Math.min(MOST_SLICES, headers, Math.floor(SLICE_BYTES / bytes)));
  }

  /**
   * (item, token) pairs of the batch, sorted by token. The first access allocates the array. @throws Error
   * for items without tokens, or if {@link ownDispatches} was called before the first access.
   */
  get tokenPairs(): TokenPairs {
    const { tokens } = this.items;
    if (!tokens) throw new Error(`expected items with tokens, got ${this.items.kind} items`);
    if (!this.#tokenPairs && this.#dispatched) {
      throw new Error("expected tokenPairs to be read before ownDispatches() is called");
    }
    return this.#tokenPairs ??= new TokenPairs(this.arena, tokens, this, this.capacity);
  }

  /** Returns the dispatches that build {@link tokenPairs}. They must run after those of {@link layout}. */
  ownDispatches(): ClickDispatch[] {
    this.#dispatched = true;
    return this.#tokenPairs?.dispatches() ?? [];
  }

  /** Returns the dispatches that build the index arrays of several batches, one slice per batch. */
  layout(): ClickDispatch[] {
    const { log, event, eventItem, history, row, ranked, rowItem, slotItem, slotFirst, sorted } = this;
    const ITEM_WORDS = this.#itemWords;
    const bits = this.#bits;
    const { slices, headersEach: HEADERS } = this.#steps;
    const HEADERS_SEEN = HEADERS * slices;
    // With one slice, the stride is 0. So the kernel's text is the same for all sizes of logs and batches.
    const stride = (elements: number) => slices > 1 ? roundUp(elements) : 0;
    const EVENTS = stride(this.capacity.events);
    const ROWS = stride(this.capacity.rows);
    const SLOTS = stride(this.capacity.items + 1);
    const WORDS = stride(padBitWords(this.#words));
    return [
      {
        kernel: expandKernel,
        label: "batch expand",
        constants: { ITEM_WORDS, HEADERS, HEADERS_SEEN, EVENTS, ROWS, WORDS },
        views: {
          plan: this.plan,
          log_event: log.event,
          log_row: log.row,
          ...viewAllSlices({ event, event_item: eventItem, row, bits, history }),
        },
        invocations: ["events"],
        cost: (s) => ({ flops: 0, bytes: 52 * s.events + 36 * s.rows }),
      },
      rankBits(this.arena.gpu.variants, {
        label: "batch rank",
        constants: { WORDS: this.#words, HEADERS_SEEN, SLICE: WORDS },
        views: viewAllSlices({ bits, ranked }),
      }),
      {
        kernel: groupKernel,
        label: "batch group",
        constants: {
          ITEM_WORDS,
          ONE_HOT: this.items.kind === "one-hot",
          HEADERS,
          HEADERS_SEEN,
          ROWS,
          SLOTS,
          WORDS,
        },
        views: {
          log_row: log.row,
          log_item: log.item,
          ...viewAllSlices({
            row,
            ranked,
            row_item: rowItem,
            slot_item: slotItem,
            slot_first: slotFirst,
            sorted,
          }),
        },
        invocations: ["rows"],
        cost: (s) => ({ flops: 0, bytes: 48 * s.rows }),
      },
    ];
  }
}

function throwMissingCounts(): never {
  throw new Error("expected a DeviceLog with counts");
}

function viewAllSlices(views: Readonly<Record<string, View>>): Record<string, View> {
  const whole = ({ buffer, offset, size, slices }: View): View => {
    return { buffer, offset, size: size + (slices ? slices.stride * (slices.count - 1) : 0) };
  };
  return Object.fromEntries(Object.entries(views).map(([name, view]) => [name, whole(view)]));
}

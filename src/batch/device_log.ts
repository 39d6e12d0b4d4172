/** Click log on the GPU, uploaded once. Per training step, the host uploads only user numbers and settings. */

import { OWN_WORDS } from "../counts/count_columns.ts";
import { expectRowFeatures, type LogWithCounts, packOwnCounts } from "../counts/page_counts.ts";
import { ADDITIONAL_CLICK, listClickedRows, NONE } from "../data/click_log.ts";
import type { ClickLog, ItemFeatures } from "../data/click_log.ts";
import { findSortedIndex, MemoryItems, sortUnique } from "../data/item_catalogue.ts";
import { Arena } from "../gpu/arena.ts";
import { type Gpu, LimitError } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import { UserError } from "../user_error.ts";
import { DeviceItems } from "./device_items.ts";

export interface LogCapacity {
  readonly events: number;
  /** Number of displayed items, summed over all events. */
  readonly rows: number;
  /** Number of distinct displayed items. */
  readonly items: number;
}

/** Values per row (displayed item) and per item of a log, from which count features are computed. */
export interface LogCountSummary {
  /** Array [rows, words]. A row has the item's catalogue number, the user's counts, context features. */
  readonly fact: View;
  /** For each item of the log, its number in the catalogue. */
  readonly itemId: View;
}

/** Returns the number of words per row of {@link LogCountSummary.fact}: 4, plus 1 per context feature. */
export function countFactWords({ rowFeatures = 0 }: Pick<LogWithCounts, "rowFeatures">): number {
  return 1 + OWN_WORDS + rowFeatures;
}

/** Bit that marks a context event (history that is not predicted), as in `batch_expand.wgsl`. */
const GIVEN_BIT = 0x80000000;
/** Bit that marks an additional click on a page. */
const FURTHER_BIT = 0x40000000;

export function countBitWords(count: number): number {
  return Math.ceil(count / 32);
}

/** Events, rows (displayed items) and items of all users. Kernels build each batch from these arrays. */
export class DeviceLog {
  readonly #arena: Arena;
  #hasAllIds = false;
  /** @internal */
  readonly items: DeviceItems;
  readonly capacity: LogCapacity;
  /** @internal Array `log_event` of batch_expand.wgsl: four words per event. */
  readonly event: View;
  /** Bits in a bit set of items: one per item of the log, or for one-hot items one per catalogue item. */
  readonly itemBits: number;
  /** @internal Array `log_row` of batch_expand.wgsl: three words per row. */
  readonly row: View;
  /** @internal Array [items, 2]: number of each displayed item, and its first row in rows sorted by item. */
  readonly item: View;
  /** @internal Counts from which the count features are computed; undefined for a log without counts. */
  readonly facts: LogCountSummary | undefined;

  /** @param capacity - default: sizes of `log`. @throws UserError if a buffer is too large to be bound. */
  constructor(
    readonly gpu: Gpu,
    log: ClickLog,
    capacity?: LogCapacity,
    tokenCounts: Uint32Array = new MemoryItems(log.items).tokenCounts,
    private readonly counts?: LogWithCounts,
  ) {
    const { eventClick: { length: events }, rowItem: { length: rows } } = log;
    this.capacity = capacity ?? { events, rows, items: Math.min(rows, log.items.count) };
    const { items } = this.capacity;
    this.itemBits = log.items.kind === "one-hot" ? log.items.count : items;
    this.items = new DeviceItems(gpu, log.items, capacity ? items : log.items.count, tokenCounts);
    this.#arena = new Arena(gpu, "log");
    try {
      this.event = this.#arena.allocate("events", 16 * (this.capacity.events + 1));
      this.row = this.#arena.allocate("rows", 12 * this.capacity.rows);
      this.item = this.#arena.allocate("items", 8 * items);
      this.facts = counts && {
        fact: this.#arena.allocate(
          "facts of rows",
          4 * countFactWords(counts) * Math.max(1, this.capacity.rows),
        ),
        // One-hot items are identified by catalogue numbers, even if a batch displays few items.
        itemId: this.#arena.allocate(
          "items of the catalogue",
          4 * Math.max(this.items.capacity, log.items.kind === "one-hot" ? log.items.count : 0),
        ),
      };
      this.write(log);
    } catch (error) {
      this[Symbol.dispose]();
      throw error instanceof LimitError && !capacity ? tooLargeLog(error, rows) : error;
    }
  }

  /** Replaces the log by another with the same kind of items. @throws Error if it exceeds the capacity. */
  write(log: ClickLog): void {
    const { eventRows, eventClick, eventKind, rowItem } = log;
    const [events, rows] = [eventClick.length, rowItem.length];
    const { row, item } = orderByItem(rowItem, log.items);
    if (
      events > this.capacity.events || rows > this.capacity.rows || item.length / 2 > this.capacity.items
    ) {
      throw new Error(
        `the log (${events} events, ${rows} rows, ${item.length / 2} items) exceeds the capacity ` +
          `(${this.capacity.events} events, ${this.capacity.rows} rows, ${this.capacity.items} items)`,
      );
    }
    const event = new Uint32Array(4 * (events + 1));
    let clicks = 0;
    /** Rows of the current page's additional clicks that are not yet written, in click order. */
    let clicked: number[] = [];
    /** Kind of the current page; additional clicks on a page of context events are context events, too. */
    let page = 0;
    for (let e = 0; e <= events; e++) {
      const click = eventClick[e] ?? NONE;
      const kind = eventKind?.[e] ?? 0;
      if (kind !== ADDITIONAL_CLICK) page = kind;
      const further = kind === ADDITIONAL_CLICK && page === 0;
      if (eventKind?.[e + 1] === ADDITIONAL_CLICK && !further) clicked = listClickedRows(log, e).slice(1);
      event[4 * e] = eventRows[e] ?? 0;
      event[4 * e + 1] = further ? clicked.shift() ?? NONE : click;
      event[4 * e + 2] = clicks + (kind > 0 ? GIVEN_BIT : 0) + (further ? FURTHER_BIT : 0);
      event[4 * e + 3] = click === NONE ? NONE : rowItem[click] ?? NONE;
      if (click !== NONE) clicks++;
    }
    const { queue } = this.gpu;
    queue.writeBuffer(this.event.buffer, 0, event);
    if (rows > 0) { // Deno fails on an empty write
      queue.writeBuffer(this.row.buffer, 0, row);
      queue.writeBuffer(this.item.buffer, 0, item);
    }
    this.items.write(log.items);
    if (this.facts && this.counts && rows > 0) this.#writeFacts(log, this.facts, this.counts);
  }

  #writeFacts(log: ClickLog, { fact, itemId }: LogCountSummary, counted: LogWithCounts): void {
    const { itemIds: ids, rowItem, items } = log;
    const X = expectRowFeatures(log, counted);
    const width = countFactWords(counted);
    const facts = new Uint32Array(width * rowItem.length);
    const own = packOwnCounts(log, counted);
    const features = log.rowFeatures &&
      new Uint32Array(log.rowFeatures.buffer, log.rowFeatures.byteOffset, log.rowFeatures.length);
    rowItem.forEach((item, row) => {
      facts[width * row] = ids?.[item] ?? item;
      facts.set(own.subarray(OWN_WORDS * row, OWN_WORDS * (row + 1)), width * row + 1);
      if (features) facts.set(features.subarray(X * row, X * (row + 1)), width * row + 1 + OWN_WORDS);
    });
    const { queue } = this.gpu;
    queue.writeBuffer(fact.buffer, 0, facts);
    if (ids || !this.#hasAllIds) {
      queue.writeBuffer(itemId.buffer, 0, ids ?? new Uint32Array(items.count).map((_, item) => item));
    }
    this.#hasAllIds = !ids;
  }

  [Symbol.dispose](): void {
    this.items.destroy();
    this.#arena.destroy();
  }
}

function tooLargeLog({ message, share }: LimitError, rows: number): UserError {
  return new UserError(
    `Expected a log that fits the adapter: ${message} Or prepare a data set (deno task data), and set ` +
      `--memory-rows ${Math.floor(share * rows)}, which keeps the log on disk.`,
  );
}

/** Sorts the rows by item (stable counting sort). Returns {@link DeviceLog}'s arrays `row` and `item`. */
function orderByItem(
  rowItem: Uint32Array<ArrayBuffer>,
  { kind, count }: ItemFeatures,
): { row: Uint32Array<ArrayBuffer>; item: Uint32Array<ArrayBuffer> } {
  const ids = rowItem.length < count ? sortUnique(rowItem) : undefined;
  const items = ids?.length ?? count;
  const own = ids ? rowItem.map((id) => findSortedIndex(ids, id)) : rowItem;
  /** Number of rows of each item. The second loop replaces it by the sorted index of the item's next row. */
  const next = new Uint32Array(items);
  for (const id of own) next[id] = (next[id] ?? 0) + 1;
  const item: number[] = [];
  const position = new Uint32Array(items);
  let before = 0;
  for (let id = 0; id < items; id++) {
    const rows = next[id] ?? 0;
    if (rows === 0) continue;
    position[id] = item.length / 2;
    item.push(ids?.[id] ?? id, before);
    next[id] = before;
    before += rows;
  }
  const row = new Uint32Array(3 * rowItem.length);
  own.forEach((id, r) => {
    const shown = position[id] ?? 0;
    row[3 * r] = kind === "one-hot" ? rowItem[r] ?? 0 : shown;
    row[3 * r + 1] = shown;
    row[3 * r + 2] = next[id] ?? 0;
    next[id] = (next[id] ?? 0) + 1;
  });
  return { row, item: Uint32Array.from(item) };
}

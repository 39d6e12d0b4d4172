/** A click log on the GPU, where it stays: a step only names the users that it takes. */

import { type ClickLog, type ItemFeatures, NONE } from "../data/click_log.ts";
import { UserError } from "../data/user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import { type Memory, type View, writeMemory } from "../gpu/memory.ts";
import { padded, padRows } from "../tape/tensor.ts";
import { DeviceTokens } from "./device_tokens.ts";

/** The catalogue on the GPU. One-hot features need no memory here: their embedding rows are parameters. */
export class DeviceItems {
  readonly #arena: Arena;
  readonly kind: ItemFeatures["kind"];
  /** I */
  readonly count: number;
  /** F; the number of items with one-hot features. */
  readonly width: number;
  /** [I, F] padded to whole vectors; absent with one-hot features, and with mixed ones without dense ones. */
  readonly features: Memory | undefined;
  /** Of mixed features. */
  readonly tokens: DeviceTokens | undefined;

  constructor(gpu: Gpu, items: ItemFeatures) {
    this.#arena = new Arena(gpu, "items");
    this.kind = items.kind;
    this.count = items.count;
    this.width = items.kind === "one-hot" ? items.count : items.width;
    try {
      if (items.kind === "mixed") this.tokens = new DeviceTokens(gpu, this.#arena, items.count, items.tokens);
      if (items.kind !== "one-hot") this.features = this.#dense(gpu, items);
    } catch (error) {
      this.#arena.destroy();
      throw error;
    }
  }

  #dense(gpu: Gpu, { count, width, values }: Exclude<ItemFeatures, { kind: "one-hot" }>): Memory | undefined {
    if (values.length !== count * width) {
      throw new UserError(
        `Expected ${count} items x ${width} features = ${count * width} values, got ${values.length}.`,
      );
    }
    if (width === 0) return undefined;
    const what = `the features of ${count} items x ${width}`;
    const bytes = 4 * count * padded(width);
    gpu.requireBindable(bytes, what);
    const onCpu = gpu.shapes.kind === "cpu";
    const features = onCpu ? this.#arena.allocateTexture(what, bytes) : this.#arena.allocate(what, bytes);
    writeMemory(gpu.queue, features, padRows(values, count, width, 1));
    return features;
  }

  destroy(): void {
    this.#arena.destroy();
  }
}

/** How large a log may become; buffers are made for it. */
export interface LogCapacity {
  readonly events: number;
  readonly rows: number;
}

/** Marks a given event in the log on the device. The same value as in `batch_expand.wgsl`. */
const GIVEN_BIT = 0x80000000;

/** Words of bits for a count of things. */
export function bitWords(count: number): number {
  return Math.ceil(count / 32);
}

export class DeviceLog {
  readonly #arena: Arena;
  readonly itemCount: number;
  readonly capacity: LogCapacity;
  /** [E+1] first row, clicked row or NONE, clicks before the event and {@link GIVEN_BIT} */
  readonly event: View;
  /** [R] (item, place among all rows sorted by item) */
  readonly row: View;
  /** [I] place of an item's first row among all rows sorted by item */
  readonly itemFirst: View;
  /** [I] of the sort by item: kept, as a log that is read in parts is written over and over. */
  readonly #first: Uint32Array<ArrayBuffer>;
  readonly #next: Uint32Array<ArrayBuffer>;

  /** @throws UserError when the log exceeds what a kernel can see at once. */
  constructor(readonly gpu: Gpu, log: ClickLog, capacity?: LogCapacity) {
    this.itemCount = log.items.count;
    this.capacity = capacity ?? { events: log.eventClick.length, rows: log.rowItem.length };
    this.#arena = new Arena(gpu, "log");
    this.event = this.#arena.allocate("events", 12 * (this.capacity.events + 1));
    this.row = this.#arena.allocate("rows", 8 * this.capacity.rows);
    this.itemFirst = this.#arena.allocate("items", 4 * this.itemCount);
    this.#first = new Uint32Array(this.itemCount);
    this.#next = new Uint32Array(this.itemCount);
    this.write(log);
  }

  /** Puts another log over the same items in the place of the last. @throws Error beyond the capacity. */
  write(log: ClickLog): void {
    const [events, rows] = [log.eventClick.length, log.rowItem.length];
    if (events > this.capacity.events || rows > this.capacity.rows || log.items.count !== this.itemCount) {
      throw new Error(
        `the log (${events} events, ${rows} rows, ${log.items.count} items) exceeds the device's ` +
          `(${this.capacity.events}, ${this.capacity.rows}, ${this.itemCount})`,
      );
    }
    const event = new Uint32Array(3 * (events + 1));
    let clicks = 0;
    for (let e = 0; e <= events; e++) {
      const click = log.eventClick[e] ?? NONE;
      event[3 * e] = log.eventRows[e] ?? 0;
      event[3 * e + 1] = click;
      event[3 * e + 2] = clicks + (log.eventGiven?.[e] ? GIVEN_BIT : 0);
      if (click !== NONE) clicks++;
    }
    const row = this.#orderByItem(log.rowItem);
    this.gpu.queue.writeBuffer(this.event.buffer, 0, event);
    if (rows > 0) this.gpu.queue.writeBuffer(this.row.buffer, 0, row); // Deno breaks down on nothing to write
    this.gpu.queue.writeBuffer(this.itemFirst.buffer, 0, this.#first);
  }

  /** (item, order) of every row, by a counting sort: rows of an item keep their order. */
  #orderByItem(rowItem: Uint32Array): Uint32Array<ArrayBuffer> {
    const [first, next] = [this.#first, this.#next];
    first.fill(0);
    for (const item of rowItem) first[item] = (first[item] ?? 0) + 1;
    let before = 0;
    for (let item = 0; item < first.length; item++) {
      const count = first[item] ?? 0;
      first[item] = before;
      before += count;
    }
    next.set(first);
    const row = new Uint32Array(2 * rowItem.length);
    rowItem.forEach((item, r) => {
      const place = next[item] ?? 0;
      row[2 * r] = item;
      row[2 * r + 1] = place;
      next[item] = place + 1;
    });
    return row;
  }

  destroy(): void {
    this.#arena.destroy();
  }
}

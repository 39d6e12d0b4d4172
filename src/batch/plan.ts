/**
 * The batch plan is a GPU buffer that lists the users of the next training steps.
 *
 * Batches that are too large for the device are split into micro-batches of whole users, which are computed
 * one after another. A user is never split, because the encoder's state depends on all of the user's events.
 */

import type { ClickLog, Clicks } from "../data/click_log.ts";
import { countEvents, countRows, type LogSource, toLogSource } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import type { Dimensions } from "../gpu/sizes.ts";
import { StepHeaders, type StepSettings } from "../gpu/step.ts";
import { clickDimensions, type ClickSizes } from "./click_sizes.ts";

export type BatchSlot = ClickSizes & {
  /** Number of predicted events, the denominator of the batch's mean loss. */
  readonly counted: number;
};

/**
 * Ring buffer with one slot per training step. A slot has step headers (batch sizes and settings), and the
 * list of the batch's users (`plan` in batch_expand.wgsl). The GPU's queue runs writes and steps in order, so
 * the host may queue a write to a slot while earlier steps still need the old contents.
 */
export class BatchPlan {
  readonly #arena: Arena;
  readonly view: View;
  readonly #entries: Uint32Array<ArrayBuffer>;
  readonly #headers: StepHeaders<ClickSizes>;
  #itemStamps: Uint32Array;
  #userStamps: Uint32Array;
  #stamp = 0;

  /**
   * @param capacity - sizes of the largest batch, for which buffers are allocated.
   * @param headersEach - number of step headers per slot: one for each program that has its own settings.
   * @param slices - number of batches that one dispatch builds, from consecutive slots.
   * @param dimensions - names of batch sizes. All tapes that use the plan must have the same names.
   */
  constructor(
    readonly gpu: Gpu,
    readonly log: ClickLog,
    readonly capacity: ClickSizes,
    readonly slots: number,
    readonly headersEach = 1,
    readonly slices = 1,
    readonly dimensions: Dimensions<ClickSizes> = clickDimensions,
  ) {
    this.#arena = new Arena(gpu, "plan");
    const bytes = 16 * (capacity.users + 1) * slots;
    gpu.requireBindable(bytes, `a plan of ${slots} x ${capacity.users} users`);
    this.#entries = new Uint32Array(bytes / 4);
    this.view = this.#arena.allocate("users", bytes);
    this.#headers = new StepHeaders(this.#arena, dimensions, slots, headersEach, slices);
    this.#itemStamps = new Uint32Array(log.items.count);
    this.#userStamps = new Uint32Array(log.userSplit.length);
  }

  /** Buffer with the step headers of all slots, for {@link import("../gpu/program.ts").Program.record}. */
  get steps(): GPUBuffer {
    return this.#headers.buffer;
  }

  /** Returns the byte offset of a slot's step header in {@link steps}. */
  offset(slot: number, header = 0): number {
    return this.#headers.offset(slot, header);
  }

  /**
   * Writes a slot (the users of one step) on the host; {@link upload} copies the slot to the GPU.
   * @param purpose - settings of each step header. If there are fewer settings, the last are repeated.
   * @param of - number of predicted events in the whole batch, if `users` are a micro-batch.
   * @throws UserError for an unknown or repeated user, or if the whole batch has only context events.
   */
  put(
    slot: number,
    users: ArrayLike<number>,
    purpose: StepSettings | readonly StepSettings[],
    log = this.log,
    of?: number,
  ): BatchSlot {
    if (users.length > this.capacity.users) {
      throw new UserError(`Expected at most ${this.capacity.users} users per batch, got ${users.length}.`);
    }
    const first = slot * (this.capacity.users + 1);
    const { sizes, context } = this.#putUsers(first, users, log);
    const { events, rows, items } = sizes;
    if (events === 0) {
      throw new UserError(`Expected a batch with events, got ${users.length} users without events.`);
    }
    if (context === events && !of) {
      throw new UserError(
        `Expected a batch with events to predict, got ${users.length} users whose ${events} events are all ` +
          `context events.`,
      );
    }
    const counted = of ?? events - context;
    // WebGPU drops a write past the end of a buffer without an error.
    if (events > this.capacity.events || rows > this.capacity.rows || items > this.capacity.items) {
      const { capacity } = this;
      throw new Error(
        `the batch (${events} events, ${rows} rows, ${items} items) exceeds the capacity ` +
          `(${capacity.events} events, ${capacity.rows} rows, ${capacity.items} items)`,
      );
    }
    this.#headers.put(slot, { sizes, counted, first }, purpose);
    return { ...sizes, counted };
  }

  #putUsers(first: number, users: ArrayLike<number>, log: ClickLog): { sizes: ClickSizes; context: number } {
    const { userEvents, eventRows, eventKind } = log;
    if (log.userSplit.length > this.#userStamps.length) {
      this.#userStamps = new Uint32Array(2 * log.userSplit.length);
    }
    if (log.items.count > this.#itemStamps.length) this.#itemStamps = new Uint32Array(2 * log.items.count);
    const stamp = ++this.#stamp;
    let [events, rows, items, context] = [0, 0, 0, 0];
    for (let k = 0; k < users.length; k++) {
      const user = users[k] ?? -1;
      const from = userEvents[user];
      const to = userEvents[user + 1];
      if (from === undefined || to === undefined) throw unknownUserError(user, userEvents.length - 1);
      // The kernels sort rows by item with one bit per row, so a batch cannot contain a user twice.
      if (this.#userStamps[user] === stamp) throw duplicateUserError(user);
      this.#userStamps[user] = stamp;
      this.#entries.set([from, events, rows, 0], 4 * (first + k));
      const [firstRow, endRow] = [eventRows[from] ?? 0, eventRows[to] ?? 0];
      events += to - from;
      if (eventKind) { for (let e = from; e < to; e++) context += eventKind[e] ? 1 : 0; }
      rows += endRow - firstRow;
      items += this.#newItems(log.rowItem, firstRow, endRow, stamp);
    }
    this.#entries.set([0, events, rows, 0], 4 * (first + users.length));
    return { sizes: { users: users.length, events, rows, items }, context };
  }

  /** Marks the items of rows `from` to `to` - 1 by `stamp`. @returns the number of items not marked before */
  #newItems(rowItem: Uint32Array, from: number, to: number, stamp: number): number {
    const stamps = this.#itemStamps;
    let items = 0;
    for (let r = from; r < to; r++) {
      const item = rowItem[r] ?? 0;
      // An addition is faster than an if here, because the CPU could not predict the branch.
      items += Number(stamps[item] !== stamp);
      stamps[item] = stamp;
    }
    return items;
  }

  upload(first: number, count: number): void {
    const words = 4 * (this.capacity.users + 1);
    const entries = this.#entries.subarray(first * words, (first + count) * words);
    if (entries.length > 0) this.gpu.queue.writeBuffer(this.view.buffer, 4 * first * words, entries);
    this.#headers.upload(first, count);
  }

  /** Uploads `count` consecutive slots of the ring buffer. The first of them is slot `first` mod `slots`. */
  uploadRing(first: number, count: number): void {
    const start = first % this.slots;
    const straight = Math.min(count, this.slots - start);
    this.upload(start, straight);
    if (count > straight) this.upload(0, count - straight);
  }

  [Symbol.dispose](): void {
    this.#arena.destroy();
  }
}

export function unknownUserError(user: number, users: number): UserError {
  return new UserError(`Expected a user number in 0..${users - 1}, got ${user}.`);
}
export function duplicateUserError(user: number): UserError {
  return new UserError(`Expected each user once in a batch, got user ${user} twice.`);
}

/** Returns, for each dimension (such as rows), the largest size among all batches. */
export function maxSizes(batches: readonly ClickSizes[]): ClickSizes {
  const largest = (of: keyof ClickSizes) => Math.max(...batches.map((sizes) => sizes[of]));
  return {
    users: largest("users"),
    events: largest("events"),
    rows: largest("rows"),
    items: largest("items"),
  };
}

/** Returns upper bounds of the sizes that a batch of `count` users can have. */
export function computeBatchCapacity(
  log: ClickLog | LogSource,
  users: ArrayLike<number> | "all",
  count: number,
): ClickSizes {
  const source = toLogSource(log);
  // A typed array saves memory: there may be millions of users.
  const sizes = new Uint32Array(users === "all" ? source.userSplit.length : users.length);
  const largest = (sizeOf: (user: number) => number) => {
    for (let k = 0; k < sizes.length; k++) sizes[k] = sizeOf(users === "all" ? k : users[k] ?? 0);
    return sizes.sort().subarray(Math.max(0, sizes.length - count)).reduce((sum, size) => sum + size, 0);
  };
  const rows = largest((user) => countRows(source, user));
  const events = largest((user) => countEvents(source, user));
  return { users: count, events, rows, items: Math.min(rows, source.items.shape.count) };
}

export type MicroBatchLimit = Pick<ClickSizes, "rows" | "events">;

/** Largest size and number of the micro-batches into which a large batch is split. */
export interface MicroBatchPlan {
  readonly limit: MicroBatchLimit;
  readonly capacity: ClickSizes;
  /** Largest number of micro-batches into which a batch is split. */
  readonly parts: number;
}

/** @param single - sizes of the largest user @param rows - row limit; raised to the rows of `single` */
export function planMicroBatches(whole: ClickSizes, single: ClickSizes, rows: number): MicroBatchPlan {
  if (rows >= whole.rows) return { limit: whole, capacity: whole, parts: 1 };
  const share = rows / whole.rows;
  const limit = {
    rows: Math.max(single.rows, rows),
    events: Math.max(single.events, Math.ceil(share * whole.events)),
  };
  // Two consecutive micro-batches together exceed the row limit or the event limit, or they would be one.
  const pairs = Math.floor(whole.rows / limit.rows) + Math.floor(whole.events / limit.events);
  return {
    limit,
    capacity: { ...whole, ...limit, items: Math.min(whole.items, limit.rows) },
    parts: Math.min(whole.users, 2 * pairs + 1),
  };
}

/** Splits users, in order, into as few micro-batches as possible. @throws UserError for a repeated user. */
export function splitMicroBatches(log: Clicks, users: ArrayLike<number>, limit: MicroBatchLimit): number[][] {
  const { userEvents, eventRows } = log;
  const parts: number[][] = [];
  const seen = new Set<number>();
  let [rows, events] = [Infinity, Infinity];
  for (const user of Array.from(users)) {
    if (seen.has(user)) throw duplicateUserError(user);
    seen.add(user);
    const [from, to] = [userEvents[user] ?? 0, userEvents[user + 1] ?? 0];
    const ownRows = (eventRows[to] ?? 0) - (eventRows[from] ?? 0);
    if (rows + ownRows > limit.rows || events + to - from > limit.events) {
      parts.push([]);
      [rows, events] = [0, 0];
    }
    parts.at(-1)?.push(user);
    rows += ownRows;
    events += to - from;
  }
  return parts;
}

/** Returns the number of events of `users` that are not context events. */
export function countScoredEvents({ userEvents, eventKind }: Clicks, users: ArrayLike<number>): number {
  let counted = 0;
  for (const user of Array.from(users)) {
    for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
      counted += eventKind?.[e] ? 0 : 1;
    }
  }
  return counted;
}

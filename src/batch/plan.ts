/**
 * The plan: which users each of the next steps takes. All that a step uploads.
 *
 * Batches that are too large for the device are cut into parts of whole users, which are computed one after another. A user
 * stays whole, as their state runs through all of their events.
 */

import type { ClickLog, Clicks } from "../data/click_log.ts";
import { countEvents, countRows, type LogSource, toLogSource } from "../data/log_source.ts";
import { UserError } from "../user_error.ts";
import { Arena } from "../gpu/arena.ts";
import type { Gpu } from "../gpu/device.ts";
import type { View } from "../gpu/memory.ts";
import { StepHeaders, type StepSettings } from "../gpu/step.ts";
import { clickDimensions, type ClickSizes } from "./click_sizes.ts";

/** A batch in its place. */
export type BatchSlot = ClickSizes & {
  /** Events that are not given: what means are taken over. */
  readonly counted: number;
};

/**
 * A ring of places for steps. Each holds the batch's users with their running numbers of events and rows (16 bytes a
 * user) and a header of sizes. Writes are ordered with submitted work, so a place may be reused while earlier steps
 * are still in flight.
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
   * @param capacity the most that a step may take: what its program's buffers are made for.
   * @param places how many steps are held at once.
   * @param headersEach of a place: programs that work on one batch may differ in the rest of it.
   * @param slices batches that are laid out side by side, from places that follow one another.
   */
  constructor(
    readonly gpu: Gpu,
    readonly log: ClickLog,
    readonly capacity: ClickSizes,
    readonly places: number,
    /** Headers of a place. */
    readonly headersEach = 1,
    /** Batches that are laid out side by side. */
    readonly slices = 1,
  ) {
    this.#arena = new Arena(gpu, "plan");
    const bytes = 16 * (capacity.users + 1) * places;
    gpu.requireBindable(bytes, `a plan of ${places} x ${capacity.users} users`);
    this.#entries = new Uint32Array(bytes / 4);
    this.view = this.#arena.allocate("users", bytes);
    this.#headers = new StepHeaders(this.#arena, clickDimensions, places, headersEach, slices);
    this.#itemStamps = new Uint32Array(log.items.count);
    this.#userStamps = new Uint32Array(log.userSplit.length);
  }

  /** The headers, as {@link import("../gpu/program.ts").Program.record} wants them. */
  get steps(): GPUBuffer {
    return this.#headers.buffer;
  }

  /** Byte offset of a place's header, as {@link import("../gpu/program.ts").Program.encode} wants it. */
  offset(place: number, header = 0): number {
    return this.#headers.offset(place, header);
  }

  /**
   * Sets a place; {@link upload} sends it.
   * @param purpose of its headers, one for each that differs: the last stands for the rest.
   * @param log where the users stand, if it is not the plan's own.
   * @param of what means are taken over, of a batch that these users are only a part of.
   * @returns the sizes of the batch.
   * @throws UserError for a user that the log does not have or that comes twice, or for users without a single event to
   *   predict, unless others of the batch have some.
   */
  put(
    place: number,
    users: ArrayLike<number>,
    purpose: StepSettings | readonly StepSettings[],
    log = this.log,
    of?: number,
  ): BatchSlot {
    if (users.length > this.capacity.users) {
      throw new UserError(`Expected at most ${this.capacity.users} users a batch, got ${users.length}.`);
    }
    const first = place * (this.capacity.users + 1);
    const { sizes, given } = this.#putUsers(first, users, log);
    const { events, rows, items } = sizes;
    if (events === 0) {
      throw new UserError(`Expected a batch with events; its ${users.length} users have none.`);
    }
    if (given === events && !of) {
      throw new UserError(
        `Expected a batch with events to predict; all ${events} events of its ${users.length} users are given ` +
          `as history.`,
      );
    }
    const counted = of ?? events - given;
    // A write past the end of a buffer is dropped without an error.
    if (events > this.capacity.events || rows > this.capacity.rows || items > this.capacity.items) {
      const { capacity } = this;
      throw new Error(
        `the batch (${events} events, ${rows} rows, ${items} items) exceeds its program's capacity ` +
          `(${capacity.events}, ${capacity.rows}, ${capacity.items})`,
      );
    }
    this.#headers.put(place, { sizes, counted, first }, purpose);
    return { ...sizes, counted };
  }

  /** Sets the users' entries, and one behind them, from entry `first` on. @returns what is in the batch */
  #putUsers(first: number, users: ArrayLike<number>, log: ClickLog): { sizes: ClickSizes; given: number } {
    const { userEvents, eventRows, eventGiven } = log;
    if (log.userSplit.length > this.#userStamps.length) {
      this.#userStamps = new Uint32Array(2 * log.userSplit.length);
    }
    if (log.items.count > this.#itemStamps.length) this.#itemStamps = new Uint32Array(2 * log.items.count);
    const stamp = ++this.#stamp;
    let [events, rows, items, given] = [0, 0, 0, 0];
    for (let k = 0; k < users.length; k++) {
      const user = users[k] ?? -1;
      const from = userEvents[user];
      const to = userEvents[user + 1];
      if (from === undefined || to === undefined) throw unknownUserError(user, userEvents.length - 1);
      // Rows are sorted by item with one bit each: the rows of a user who comes twice would share theirs.
      if (this.#userStamps[user] === stamp) throw duplicateUserError(user);
      this.#userStamps[user] = stamp;
      this.#entries.set([from, events, rows, 0], 4 * (first + k));
      const [firstRow, endRow] = [eventRows[from] ?? 0, eventRows[to] ?? 0];
      events += to - from;
      if (eventGiven) { for (let e = from; e < to; e++) given += eventGiven[e] ? 1 : 0; }
      rows += endRow - firstRow;
      items += this.#newItems(log.rowItem, firstRow, endRow, stamp);
    }
    this.#entries.set([0, events, rows, 0], 4 * (first + users.length));
    return { sizes: { users: users.length, events, rows, items }, given };
  }

  /** How many items of these rows have not had this stamp before; now they have it. */
  #newItems(rowItem: Uint32Array, from: number, to: number, stamp: number): number {
    let items = 0;
    for (let r = from; r < to; r++) {
      const item = rowItem[r] ?? 0;
      if (this.#itemStamps[item] === stamp) continue;
      this.#itemStamps[item] = stamp;
      items++;
    }
    return items;
  }

  /** Sends the places from `first` on. */
  upload(first: number, count: number): void {
    const words = 4 * (this.capacity.users + 1);
    const entries = this.#entries.subarray(first * words, (first + count) * words);
    if (entries.length > 0) this.gpu.queue.writeBuffer(this.view.buffer, 4 * first * words, entries);
    this.#headers.upload(first, count);
  }

  /** Sends `count` places, from number `first` on; behind the last place comes the first. */
  uploadRing(first: number, count: number): void {
    const start = first % this.places;
    const straight = Math.min(count, this.places - start);
    this.upload(start, straight);
    if (count > straight) this.upload(0, count - straight);
  }

  [Symbol.dispose](): void {
    this.#arena.destroy();
  }
}

export function unknownUserError(user: number, users: number): UserError {
  return new UserError(`Expected a user in 0..${users - 1}, got ${user}.`);
}
export function duplicateUserError(user: number): UserError {
  return new UserError(`Expected each user once in a batch, got ${user} twice.`);
}

/** Of each dimension the most that one of several batches has. */
export function maxSizes(batches: readonly ClickSizes[]): ClickSizes {
  const largest = (of: keyof ClickSizes) => Math.max(...batches.map((sizes) => sizes[of]));
  return {
    users: largest("users"),
    events: largest("events"),
    rows: largest("rows"),
    items: largest("items"),
  };
}

/**
 * The largest batch of `count` of these users: no batch has more of anything than the users with the most.
 * Buffers made for it hold every batch.
 */
export function computeBatchCapacity(
  log: ClickLog | LogSource,
  users: ArrayLike<number> | "all",
  count: number,
): ClickSizes {
  const source = toLogSource(log);
  // No array of numbers: there may be millions of users.
  const sizes = new Uint32Array(users === "all" ? source.userSplit.length : users.length);
  const largest = (sizeOf: (user: number) => number) => {
    for (let k = 0; k < sizes.length; k++) sizes[k] = sizeOf(users === "all" ? k : users[k] ?? 0);
    return sizes.sort().subarray(Math.max(0, sizes.length - count)).reduce((sum, size) => sum + size, 0);
  };
  const rows = largest((user) => countRows(source, user));
  const events = largest((user) => countEvents(source, user));
  return { users: count, events, rows, items: Math.min(rows, source.items.shape.count) };
}

/** What a part may have of rows and of events. */
export type MicroBatchLimit = Pick<ClickSizes, "rows" | "events">;

/** How batches are cut, and what the largest part has. */
export interface MicroBatchPlan {
  readonly limit: MicroBatchLimit;
  /** Of any part. */
  readonly capacity: ClickSizes;
  /** Parts of a batch at most. */
  readonly parts: number;
}

/**
 * @param whole the largest batch. @param single the most that one user has.
 * @param rows that a part may have; a user with more is a part of their own.
 */
export function cutFor(whole: ClickSizes, single: ClickSizes, rows: number): MicroBatchPlan {
  if (rows >= whole.rows) return { limit: whole, capacity: whole, parts: 1 };
  const share = rows / whole.rows;
  const limit = {
    rows: Math.max(single.rows, rows),
    events: Math.max(single.events, Math.ceil(share * whole.events)),
  };
  // Two parts that follow one another have more than the limit of rows, or of events.
  const pairs = Math.floor(whole.rows / limit.rows) + Math.floor(whole.events / limit.events);
  return {
    limit,
    capacity: { ...whole, ...limit, items: Math.min(whole.items, limit.rows) },
    parts: Math.min(whole.users, 2 * pairs + 1),
  };
}

/**
 * The users in their order, in as few parts as one after another takes.
 * @param log where they stand. @throws UserError for a user who comes twice: no part may tell.
 */
export function cutUsers(log: Clicks, users: ArrayLike<number>, limit: MicroBatchLimit): number[][] {
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

/** Events of these users that are not given. */
export function countScoredEvents({ userEvents, eventGiven }: Clicks, users: ArrayLike<number>): number {
  let counted = 0;
  for (const user of Array.from(users)) {
    for (let e = userEvents[user] ?? 0; e < (userEvents[user + 1] ?? 0); e++) {
      counted += eventGiven?.[e] ? 0 : 1;
    }
  }
  return counted;
}

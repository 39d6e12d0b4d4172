/**
 * How it is found out what the device has room for: batches of a training are cut into smaller parts, and users who are evaluated
 * into smaller shards, until they fit.
 */

import { computeBatchCapacity, type MicroBatchPlan } from "../batch/plan.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { LimitError } from "../gpu/device.ts";
import { UserError } from "../user_error.ts";
import { formatThousands } from "../number_text.ts";
import { countRows, type LogSource } from "../data/log_source.ts";

/** Rows of a part, of a batch that does not fit as a whole: 32 MiB for each hidden layer of 64. */
const PART_ROWS = 2 ** 17;

/** A part of a batch does not fit. */
class PartTooLarge extends Error {
  /** @param rows that would fit, as far as is known. */
  constructor(readonly rows: number) {
    super(`a part of a batch may have ${rows} rows`);
  }
}

/**
 * Makes a training whose batches fit the device.
 * @param most rows of a part; null for as many as fit. @param make the training, with parts of so many rows at most.
 */
export async function fitTraining<T>(most: number | null, make: (rows: number) => Promise<T>): Promise<T> {
  for (let rows = most ?? Infinity;;) {
    try {
      return await make(rows);
    } catch (error) {
      if (!(error instanceof PartTooLarge)) throw error;
      ({ rows } = error);
    }
  }
}

/**
 * What is made for the parts of a cut.
 * @param single the most that one user has.
 * @throws what {@link fitTraining} tries again with smaller parts. @throws UserError where one user is too large.
 */
export async function fitMicroBatches<T>(
  { capacity }: Pick<MicroBatchPlan, "capacity">,
  single: ClickSizes,
  make: () => Promise<T>,
): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof LimitError)) throw error;
    const rows = Math.floor(Math.min(PART_ROWS, error.share * capacity.rows));
    if (capacity.rows > single.rows) throw new PartTooLarge(Math.max(1, rows));
    throw userTooLargeError(error, single);
  }
}

/** @param single what the largest user has. */
export function userTooLargeError({ share, message }: LimitError, { events, rows }: ClickSizes): UserError {
  return new UserError(
    `Expected users that fit the adapter one by one, but the largest has ${
      formatThousands(events)
    } events and ` +
      `${
        formatThousands(rows)
      } displayed items: ${message} Or keep the last events of each user: deno task ` +
      `data log --max-events ${Math.max(1, Math.floor(0.9 * share * events))}`,
  );
}

/** A shard without an explicit count takes at most this many rows: 32 MiB for each hidden layer of 64. */
const SHARD_ROWS = 2 ** 17;

/**
 * Makes something of users that are cut into shards: again with smaller ones, until they fit.
 * @param shards 0 for as few as fit. @param make throws a LimitError for shards that do not.
 * @throws UserError where the number of shards is given, or one user does not fit.
 */
export async function makeInShards<T>(
  source: LogSource,
  users: Uint32Array,
  shards: number,
  make: (parts: readonly Uint32Array[]) => Promise<T>,
): Promise<T> {
  let rows = shards > 0
    ? Math.ceil(sumOverUsers(users, (user) => countRows(source, user)) / shards)
    : SHARD_ROWS;
  for (;;) {
    try {
      return await make(splitIntoShards(source, users, rows));
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      rows = smallerShards(error, source, users, rows, shards);
    }
  }
}

/**
 * Rows of a shard that fit, as far as is known.
 * @param rows that did not. @throws UserError where the number of shards is given, or one user does not fit.
 */
function smallerShards(
  error: LimitError,
  source: LogSource,
  users: Uint32Array,
  rows: number,
  shards: number,
): number {
  if (shards > 0) {
    throw new UserError(
      `Expected --evaluation-shards of at least ${Math.ceil(shards / error.share)}, or 0 for as few as ` +
        `fit, got ${shards}: ${error.message}`,
    );
  }
  const single = computeBatchCapacity(source, users, 1);
  if (single.rows >= rows) throw userTooLargeError(error, single);
  return Math.max(1, Math.floor(error.share * rows));
}

/** The users in their order, cut so that no shard has more than so many rows, but for a user with more. */
function splitIntoShards(source: LogSource, users: Uint32Array, most: number): Uint32Array[] {
  const out: number[][] = [];
  let rows = Infinity;
  for (const user of users) {
    if (rows + countRows(source, user) > most && rows > 0) {
      out.push([]);
      rows = 0;
    }
    out.at(-1)?.push(user);
    rows += countRows(source, user);
  }
  return out.map((part) => Uint32Array.from(part));
}

export function sumOverUsers(users: Uint32Array, of: (user: number) => number): number {
  return users.reduce((sum, user) => sum + of(user), 0);
}

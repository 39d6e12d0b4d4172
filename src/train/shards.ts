/** Users that are evaluated at once: as many as fit the device. */

import { batchCapacity } from "../batch/plan.ts";
import { type LogSource, rowsOf } from "../data/log_source.ts";
import { LimitError } from "../gpu/device.ts";
import { UserError } from "../user_error.ts";
import { tooLargeUser } from "./fit.ts";

/** A shard without an explicit count takes at most this many rows: 32 MiB for each hidden layer of 64. */
const SHARD_ROWS = 2 ** 17;

/**
 * Makes something of users that are cut into shards: again with smaller ones, until they fit.
 * @param shards 0 for as few as fit. @param make throws a LimitError for shards that do not.
 * @throws UserError where the number of shards is given, or one user does not fit.
 */
export async function inShards<T>(
  source: LogSource,
  users: Uint32Array,
  shards: number,
  make: (parts: readonly Uint32Array[]) => Promise<T>,
): Promise<T> {
  let rows = shards > 0 ? Math.ceil(sumOf(users, (user) => rowsOf(source, user)) / shards) : SHARD_ROWS;
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
  const single = batchCapacity(source, users, 1);
  if (single.rows >= rows) throw tooLargeUser(error, single);
  return Math.max(1, Math.floor(error.share * rows));
}

/** The users in their order, cut so that no shard has more than so many rows, but for a user with more. */
function splitIntoShards(source: LogSource, users: Uint32Array, most: number): Uint32Array[] {
  const out: number[][] = [];
  let rows = Infinity;
  for (const user of users) {
    if (rows + rowsOf(source, user) > most && rows > 0) {
      out.push([]);
      rows = 0;
    }
    out.at(-1)?.push(user);
    rows += rowsOf(source, user);
  }
  return out.map((part) => Uint32Array.from(part));
}

export function sumOf(users: Uint32Array, of: (user: number) => number): number {
  return users.reduce((sum, user) => sum + of(user), 0);
}

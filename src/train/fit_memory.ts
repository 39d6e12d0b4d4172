/** Makes a training fit the device's memory, by smaller micro-batches and smaller shards of users. */

import { computeBatchCapacity, type MicroBatchPlan } from "../batch/plan.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { LimitError } from "../gpu/device.ts";
import { UserError } from "../user_error.ts";
import { formatThousands } from "../number_text.ts";
import { countRows, type LogSource } from "../data/log_source.ts";

/** Largest number of rows (displayed items) per micro-batch: 64 activations of all rows take 32 MiB. */
const MICRO_BATCH_ROWS = 2 ** 17;

class MicroBatchTooLarge extends Error {
  /** @param rows - estimated number of rows per micro-batch that fit the device */
  constructor(readonly rows: number) {
    super(`a micro-batch may have ${rows} rows`);
  }
}

/** Creates a training that fits the device. @param most - maximum rows per micro-batch, or null. */
export async function fitTraining<T>(most: number | null, make: (rows: number) => Promise<T>): Promise<T> {
  for (let rows = most ?? Infinity;;) {
    try {
      return await make(rows);
    } catch (error) {
      if (!(error instanceof MicroBatchTooLarge)) throw error;
      ({ rows } = error);
    }
  }
}

/**
 * Calls `make`, which allocates memory for micro-batches. If the memory is too small, {@link fitTraining}
 * tries smaller micro-batches. @param single - sizes of a micro-batch with only the largest user.
 * @throws UserError if even `single` is too large.
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
    const rows = Math.floor(Math.min(MICRO_BATCH_ROWS, error.share * capacity.rows));
    if (capacity.rows > single.rows) throw new MicroBatchTooLarge(Math.max(1, rows));
    throw userTooLargeError(error, single);
  }
}

function userTooLargeError({ share, message }: LimitError, { events, rows }: ClickSizes): UserError {
  const size = `${formatThousands(events)} events and ${formatThousands(rows)} displayed items`;
  return new UserError(
    `Even a batch of one user (${size}) does not fit the adapter: ${message} ` +
      `Or keep only the last events of each user: deno task data log --max-events ${
        Math.max(1, Math.floor(0.9 * share * events))
      }`,
  );
}

/** Default for the largest number of rows per shard: 64 activations of all rows take 32 MiB. */
const SHARD_ROWS = 2 ** 17;

/**
 * Splits users into shards, and calls `make` with the shards. @param shards - number of shards; 0 to try
 * smaller and smaller shards until they fit the device. @throws UserError if the memory is too small for
 * `shards` shards, or for the largest user alone.
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
      rows = shrinkShards(error, source, users, rows, shards);
    }
  }
}

function shrinkShards(
  error: LimitError,
  source: LogSource,
  users: Uint32Array,
  rows: number,
  shards: number,
): number {
  if (shards > 0) {
    throw new UserError(
      `Expected --evaluation-shards of at least ${Math.ceil(shards / error.share)}, or 0 (automatic), ` +
        `got ${shards}: ${error.message}`,
    );
  }
  const single = computeBatchCapacity(source, users, 1);
  if (single.rows >= rows) throw userTooLargeError(error, single);
  return Math.max(1, Math.floor(error.share * rows));
}

/** Splits users, in order, into shards of at most `most` rows. A user with more rows is alone in a shard. */
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

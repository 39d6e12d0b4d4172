/** How a training finds out what the device has room for: it tries, and cuts its batches into smaller parts until they fit. */

import type { Cut } from "../batch/cut.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { LimitError } from "../gpu/device.ts";
import { UserError } from "../user_error.ts";
import { thousands } from "../thousands.ts";

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
export async function fitting<T>(most: number | null, make: (rows: number) => Promise<T>): Promise<T> {
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
 * @throws what {@link fitting} tries again with smaller parts. @throws UserError where one user is too large.
 */
export async function forParts<T>(
  { capacity }: Pick<Cut, "capacity">,
  single: ClickSizes,
  make: () => Promise<T>,
): Promise<T> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof LimitError)) throw error;
    const rows = Math.floor(Math.min(PART_ROWS, error.share * capacity.rows));
    if (capacity.rows > single.rows) throw new PartTooLarge(Math.max(1, rows));
    throw tooLargeUser(error, single);
  }
}

/** @param single what the largest user has. */
export function tooLargeUser({ share, message }: LimitError, { events, rows }: ClickSizes): UserError {
  return new UserError(
    `Expected users that fit the adapter one by one, but the largest has ${thousands(events)} events and ` +
      `${thousands(rows)} displayed items: ${message} Or keep the last events of each user: deno task ` +
      `data log --max-events ${Math.max(1, Math.floor(0.9 * share * events))}`,
  );
}

/** Reads the item ids of `--pool FILE`. */

import { parseIds } from "../data/ids.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { expectFile, expectLocal, readTextSync, withFileErrorsSync } from "../files/local_file.ts";
import { UserError } from "../user_error.ts";

/**
 * Reads a file of item ids for --pool. @returns item numbers in the file's order
 * @throws UserError if the file is empty, or has an unknown or repeated id
 */
export function readItemFile(path: string, data: OpenedDataset): number[] {
  const places = new Map<number, number>();
  for (const { id, place } of idsOfFile(path)) {
    const item = data.items.findIndex(id);
    if (item === undefined) {
      throw new UserError(
        `${path}:${place}: expected the id of an item of ${data.source.name}, got ${JSON.stringify(id)}, ` +
          `which the data set does not have. The data set's first id is ${JSON.stringify(data.items.of(0))}.`,
      );
    }
    const before = places.get(item);
    if (before !== undefined) {
      throw new UserError(
        `${path}:${place}: expected each item once, got ${
          JSON.stringify(id)
        }, which is already in line ${before}.`,
      );
    }
    places.set(item, place);
  }
  return [...places.keys()];
}

/** Reads item ids from a JSON list or lines. `place`: number of the entry or line, from 1. */
function idsOfFile(path: string): { id: string; place: number }[] {
  expectLocal(path);
  expectFile(path);
  const text = withFileErrorsSync("read", path, () => readTextSync(path));
  const found = parseIds(text.replace(/^\ufeff/, ""), /\r?\n/)
    .map((id, k) => ({ id, place: k + 1 })).filter(({ id }) => id !== "");
  if (found.length > 0) return found;
  throw new UserError(`${path}: expected ids of items, one per line, found none.`);
}

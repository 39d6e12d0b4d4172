/** Slates that a program writes itself, one page after another. */

import { UserError } from "../user_error.ts";
import type { PageRoom } from "./page.ts";

/**
 * Slates as the device takes them.
 * @param slates [U, k] items. @param clicked what each user has clicked, where that may not be shown again
 * @throws UserError for a wrong number of items, ones that there are not, and such that no user may see.
 */
export function checkedSlates(
  slates: ArrayLike<number>,
  { users, slate: k, items }: Pick<PageRoom, "users" | "slate" | "items">,
  clicked?: readonly ReadonlySet<number>[],
): Uint32Array<ArrayBuffer> {
  if (slates.length !== users * k) {
    throw new UserError(
      `Expected ${users} slates of ${k} items = ${users * k} numbers, got ${slates.length}.`,
    );
  }
  const words = new Uint32Array(users * k);
  for (let u = 0; u < users; u++) {
    const seen = new Set<number>();
    for (let j = 0; j < k; j++) {
      const item = slates[u * k + j] ?? NaN;
      if (!Number.isInteger(item) || item < 0 || item >= items) {
        throw new UserError(`Expected items in 0..${items - 1}, got ${item} for user ${u}.`);
      }
      if (seen.has(item)) {
        throw new UserError(`Expected each item once in a slate, got ${item} twice for user ${u}.`);
      }
      if (clicked?.[u]?.has(item)) {
        throw new UserError(
          `Expected no item that was clicked before, got ${item} for user ${u}. Let items repeat, or leave them out.`,
        );
      }
      seen.add(item);
      words[u * k + j] = item;
    }
  }
  return words;
}

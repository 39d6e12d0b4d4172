/** A token for each item, as data/item_features.sql makes them where nothing else is known of the items. */

import { type ClickLog, type ItemTokens, splits } from "../click_log.ts";
import type { TokenFeature } from "../manifest.ts";

/** As many gradients as an embedding row needs to be more than its random start. */
export const RARE_BELOW = 10;
/** Of more values the manifest has the checksum alone. */
const MOST_VALUES = 1000;

/**
 * Items that train users were shown often enough have a token each. The last token is that of all others, where train users
 * were shown any of them; items that they were never shown have none otherwise.
 * @param ids of the items, in the order of their numbers.
 */
export async function tokensOf(
  ids: readonly string[],
  log: Omit<ClickLog, "name" | "items">,
): Promise<{ tokens: ItemTokens; field: TokenFeature }> {
  const rows = trainRows(log, ids.length);
  const own = ids.map((_, item) => item).filter((item) => (rows[item] ?? 0) >= RARE_BELOW);
  const other = own.length;
  const isOtherTrained = rows.some((count) => count > 0 && count < RARE_BELOW);
  const tokenOf = new Map(own.map((item, token) => [item, token]));
  const token: number[] = [];
  const first = new Uint32Array(ids.length + 1);
  ids.forEach((_, item) => {
    const found = tokenOf.get(item) ?? (isOtherTrained ? other : undefined);
    if (found !== undefined) token.push(found);
    first[item + 1] = token.length;
  });
  const values = own.map((item) => copyOf(ids[item] ?? ""));
  return {
    tokens: { count: other + 1, first, token: Uint32Array.from(token) },
    field: {
      name: "item",
      first: 0,
      count: other + 1,
      meaning: "the item itself, the last one for all others",
      column: null,
      other: isOtherTrained ? "trained" : "mean",
      ...(other < MOST_VALUES ? { values } : {}),
      sha256: await sha256Of(values),
    },
  };
}

/** How often train users were shown each item. */
function trainRows(
  { userSplit, userEvents, eventRows, rowItem }: Omit<ClickLog, "name" | "items">,
  items: number,
): Uint32Array {
  const rows = new Uint32Array(items);
  userSplit.forEach((code, user) => {
    if (splits[code] !== "train") return;
    const [from, to] = [userEvents[user] ?? 0, userEvents[user + 1] ?? 0];
    for (const item of rowItem.subarray(eventRows[from], eventRows[to])) rows[item] = (rows[item] ?? 0) + 1;
  });
  return rows;
}

/** Of all values in their order, each with its length: no two lists of texts are written alike. */
async function sha256Of(values: readonly string[]): Promise<string> {
  const text = values.map((value) => `${[...value].length} ${value}`).join("\n");
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** In memory of its own: a part of a text keeps the whole of it. */
function copyOf(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}

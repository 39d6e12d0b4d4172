/** A prepared data set as a log in memory. */

import type { ItemFeatures } from "../click_log.ts";
import { joinItems } from "../item_catalogue.ts";
import { MemoryLog, type OnProgress } from "../log_source.ts";
import { inMemory, readUsers } from "./clicks.ts";
import type { PreparedSet } from "./set.ts";

/**
 * Reads items and pages.
 * @param onProgress told which part is being read, how much of it is done, and how much there is.
 * @throws UserError for a set that is damaged or does not fit together.
 */
export async function readPreparedLog(set: PreparedSet, onProgress?: OnProgress): Promise<MemoryLog> {
  const chunks: ItemFeatures[] = [];
  await readSetItems(set, (chunk) => chunks.push(chunk), onProgress);
  const items = joinItems(set.shape(0), chunks);
  const log = inMemory(set, items);
  await readSetClicks(set, items.count, log.take, onProgress);
  return new MemoryLog(log.whole());
}

/** Hands over the items, some at a time. */
export async function readSetItems(
  set: PreparedSet,
  take: (chunk: ItemFeatures) => void,
  onProgress?: OnProgress,
): Promise<void> {
  const all = set.manifest.counts?.items;
  await set.readItems((chunk, before) => {
    onProgress?.("Reading items", before + chunk.count, all ?? before + chunk.count);
    take(chunk);
  });
}

/** Hands over the clicks of whole users. @param items how many items there are. */
export async function readSetClicks(
  set: PreparedSet,
  items: number,
  take: Parameters<typeof readUsers>[2],
  onProgress?: OnProgress,
): Promise<void> {
  await readUsers(set, items, take, (done, all) => onProgress?.("Reading pages", done, all));
}

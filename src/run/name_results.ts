/** Adds user ids and item titles (or ids) to test results, so that a report does not need the data set. */

import { OpenedDataset } from "../data/sets/opened_dataset.ts";
import type { Dataset } from "../data/sets/dataset.ts";
import { readManifest, setFiles } from "../data/sets/prepared_folder.ts";
import { readTexts } from "../data/prepared_tables.ts";
import { UserError } from "../user_error.ts";
import type { SnapshotResult } from "./tested_users.ts";

/** Adds names to results. If the data set was moved or changed, results have only user and item numbers. */
export async function nameResults<T extends Pick<SnapshotResult, "itemGains" | "tastes">>(
  results: readonly T[],
  dataset: Dataset,
): Promise<readonly T[]> {
  if (!results.some(({ itemGains, tastes }) => itemGains || tastes)) return results;
  try {
    const { users, items } = await OpenedDataset.of(dataset);
    const titles = await readTitles(dataset, items.count);
    const withName = <T extends { readonly item: number }>(one: T) => ({
      ...one,
      name: titles?.at(one.item) || items.of(one.item),
    });
    return results.map((result) => {
      const { gains = [], losses = [] } = result.itemGains ?? {};
      const named = { ...result.itemGains, gains: gains.map(withName), losses: losses.map(withName) };
      const tastes = result.tastes?.map((taste) => ({ ...taste, name: users.of(taste.user) }));
      return { ...result, ...(result.itemGains && { itemGains: named }), ...(tastes && { tastes }) };
    });
  } catch (error) {
    if (error instanceof UserError) return results;
    throw error;
  }
}

/** Reads the titles of items ("" for a missing title). Returns undefined if the data set has no titles. */
export async function readTitles({ config }: Dataset, count: number) {
  if (config.kind !== "prepared") return undefined;
  return await readTexts(setFiles(config.path, await readManifest(config.path)), "items", "title", count);
}

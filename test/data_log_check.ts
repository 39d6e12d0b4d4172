/** Prepares small logs, for the tests of `data log`. */

import { type LogOptions, logRecipe } from "../src/data/prepare/log.ts";
import type { Prepared, PrepareOptions } from "../src/data/prepare/prepare.ts";
import { refused } from "./case_table.ts";
import { folderWith, prepareIn } from "./prepared_folder.ts";

const columns = { user: "uid", item: "sku", time: "ts", clicked: "label", itemIds: false, rareBelow: 1 };
/** Pages as they stand: small logs have pages of one item. */
export const recipe = (source: string, more: Partial<LogOptions> = {}) =>
  logRecipe({ ...columns, source, pages: "as-is", ...more });

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Prepares `name` of a folder with these files. @param more `features` is a file of the folder. */
export async function preparedOf(
  files: Files,
  name: string,
  more: Partial<LogOptions> = {},
  options: Partial<PrepareOptions> = {},
): Promise<Prepared> {
  const folder = await folderWith(files);
  const features = more.features === undefined ? {} : { features: `${folder}/${more.features}` };
  return await prepareIn(folder, recipe(`${folder}/${name}`, { ...more, ...features }), options);
}

export async function rejects(
  files: Files,
  name: string,
  more: Partial<LogOptions>,
  says: RegExp | string,
  options: Partial<PrepareOptions> = {},
): Promise<void> {
  await refused(() => preparedOf(files, name, more, options), says);
}

/** Rows that are right, so that a few bad ones are less than 1 %. */
export const good = (n: number) =>
  Array.from({ length: n }, (_, k) => `u${k},i${k % 7},${1_600_000_000 + k},1\n`).join("");

/** How tests of sources read Retailrocket's files, but for the source. */
export const rawRetailrocket = {
  pages: "session",
  sessionGap: 30,
  pageSize: 50,
  keepNoClick: true,
  numeric: [],
  itemIds: false,
  seed: 1,
  minEvents: 1,
  maxUsers: undefined,
} as const;

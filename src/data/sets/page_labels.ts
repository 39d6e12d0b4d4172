/** Reads times and ids of pages from a prepared data set, to join predictions with the log. */

import type { DataConfig } from "./dataset.ts";
import { readManifest, setFiles } from "./prepared_folder.ts";
import { GrowingArray } from "../growing_array.ts";
import { TextListWriter } from "../ids.ts";
import { readParquet } from "../parquet.ts";

/** Time (UTC, such as "2025-03-24 18:43:00") and id of a page in the log; null if unknown. */
export interface PageLabel {
  readonly time: string | null;
  readonly pageId: string | null;
}

/**
 * Reads the times and ids of some users' pages. Needs about 20 bytes of memory per page.
 * @returns a function that returns the time and id of a user's page; `page` is 0 for the user's first page
 */
export async function readPageLabels(
  config: DataConfig,
  users: ArrayLike<number>,
): Promise<(user: number, page: number) => PageLabel> {
  const first = new Map(Array.from(users, (user) => [user, NaN]));
  const times = new GrowingArray(Float64Array);
  const ids = new TextListWriter();
  if (config.kind === "prepared") {
    const columns = { user: "needed", time: "optional", page_id: "optional" } as const;
    for (const table of setFiles(config.path, await readManifest(config.path)).part("pages")) {
      await readParquet(table, columns, ({ user, time, page_id: id }, { rows }) => {
        for (let k = 0; k < rows; k++) {
          const number = Number(user[k]);
          const known = first.get(number);
          if (known === undefined) continue;
          if (Number.isNaN(known)) first.set(number, times.length);
          const at = time[k];
          times.push(at instanceof Date ? at.getTime() : NaN);
          ids.push(String(id[k] ?? ""));
        }
      });
    }
  }
  const [found, texts] = [times.values(), ids.done()];
  return (user, page) => {
    const k = (first.get(user) ?? NaN) + page;
    const date = new Date(found[k] ?? NaN);
    const time = Number.isNaN(date.getTime())
      ? ""
      : date.toISOString().replace(/(\.000)?Z$/, "").replace("T", " ");
    return { time: time || null, pageId: texts.at(k) || null };
  };
}

/** How large the data of a training are. */

import { usersOf } from "./click_log.ts";
import type { LogSource } from "./log_source.ts";

export interface DataSizes {
  /** Train, validation, test. */
  readonly users: readonly [number, number, number];
  /** Without clicks that are given as history. */
  readonly pages: number;
  /** Displayed items of the pages. */
  readonly rows: number;
  readonly items: number;
}

export function dataSizes(source: LogSource): DataSizes {
  const count = (split: "train" | "validation" | "test") => usersOf(source, split).length;
  const { items, userEvents, userRows, userCounted } = source;
  const pages = userCounted.at(-1) ?? 0;
  const given = (userEvents.at(-1) ?? 0) - pages; // each of one item
  return {
    users: [count("train"), count("validation"), count("test")],
    pages,
    rows: (userRows.at(-1) ?? 0) - given,
    items: items.shape.count,
  };
}

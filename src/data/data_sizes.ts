/** How large the data of a training are. */

import { usersOf } from "./click_log.ts";
import { type LogSource, sizeOf } from "./log_source.ts";

export interface DataSizes {
  /** Train, validation, test. */
  readonly users: readonly [number, number, number];
  /** Without clicks that are given as history. */
  readonly pages: number;
  /** Displayed items of the pages. */
  readonly rows: number;
  readonly items: number;
  /** What a prepared set's manifest warns of. */
  readonly warnings?: readonly string[];
}

export function dataSizes(source: LogSource): DataSizes {
  const count = (split: "train" | "validation" | "test") => usersOf(source, split).length;
  const { events: pages, rows } = sizeOf(source);
  const users = [count("train"), count("validation"), count("test")] as const;
  return { users, pages, rows, items: source.items.shape.count };
}

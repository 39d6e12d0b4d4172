/** A tiny log, for options whose defaults follow from the data. */

import { MemoryLog } from "../src/data/log_source.ts";
import { smallLog } from "../src/selftest/small_logs.ts";

/** Whose pages stand as they were shown. */
export const tinyData = {
  source: new MemoryLog(smallLog(1, { users: 9, items: 5, width: 2 })),
  places: "shown",
} as const;

/** The batches that the ops of the position-weights encoder are checked on. */

import { batchOf } from "./op_batches.ts";
import type { OpCase } from "./op_case.ts";

export type Batch = Pick<OpCase, "log" | "users">;

/** Both kinds of features: the ops do not look at the log's own. */
export const one = batchOf(1, { users: 1, items: 1, width: 0, maxEvents: 1, maxPage: 1 });
/** Items repeat in a window; histories are longer than m. */
export const long = batchOf(2, { users: 5, items: 4, width: 0, maxEvents: 30, maxPage: 3 });
export const wide = batchOf(3, { users: 9, items: 13, width: 0, maxEvents: 12 });
export const noClicks = batchOf(6, { users: 9, items: 5, width: 0, noClick: 1 });
/** More rows than a chunk of partial sums holds, more items than a chunk of the catalogue. */
export const chunks = batchOf(4, { users: 30, items: 35, width: 0, maxEvents: 25, maxPage: 6, noClick: 0.4 });
/** No user has a second event. */
export const fresh = batchOf(5, { users: 12, items: 6, width: 0, maxEvents: 1 });
export const batches = { one, long, wide, noClicks, fresh };

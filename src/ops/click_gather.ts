/** The gathers of a batch of clicks: features of its items, a row for each distinct one or for each event. */

import type { ClickBatch } from "../batch/click_tape.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import type { ReferenceBatch } from "../batch/reference_batch.ts";
import { NONE } from "../data/click_log.ts";
import type { Gather } from "./linear.ts";

export type ClickGather = Gather<ClickSizes, ReferenceBatch>;

/** [items] each distinct item of the batch. */
export function distinctItems({ slotItem }: ClickBatch): ClickGather {
  return { rows: "items", index: slotItem, of: (batch) => batch.slotItem };
}

/** [events] the item that each event feeds; an event that feeds none takes the first item, and nobody reads its row. */
export function fedItems({ eventItem }: ClickBatch): ClickGather {
  return {
    rows: "events",
    index: eventItem,
    of: (batch) => batch.events.map(({ fed }) => fed === NONE ? 0 : fed),
  };
}

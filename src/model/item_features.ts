/** The items' features as the tape sees them. */

import type { DeviceItems } from "../batch/device_log.ts";
import type { ClickLog, ItemFeatures } from "../data/click_log.ts";
import { UserError } from "../data/user_error.ts";
import type { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";

/** What a model's shape depends on: I, F, and whether F is I. */
export interface ItemsShape {
  readonly kind: ItemFeatures["kind"];
  readonly count: number;
  readonly width: number;
}

export function itemsShape(items: ItemFeatures): ItemsShape {
  const { kind, count } = items;
  return { kind, count, width: items.kind === "dense" ? items.width : count };
}

/**
 * The log over a model's items: itself, or with one-hot items widened to the model's catalogue, since a log need not
 * show every item.
 * @param what the model, for the message.
 * @throws UserError for a log over other items.
 */
export function fitItems(log: ClickLog, wanted: ItemsShape, what: string): ClickLog {
  const found = itemsShape(log.items);
  const text = (s: ItemsShape) =>
    `${s.count} ${s.kind} items${s.kind === "dense" ? ` of ${s.width} features` : ""}`;
  if (found.kind === wanted.kind) {
    if (found.kind === "one-hot" && found.count <= wanted.count) {
      return { ...log, items: { kind: "one-hot", count: wanted.count } };
    }
    if (found.count === wanted.count && found.width === wanted.width) return log;
  }
  throw new UserError(
    `${what} is over ${text(wanted)}, but ${log.name} shows ${text(found)}. Use a log over the same items.`,
  );
}

/** The constant [I, F] of dense features; undefined with one-hot ones, which never become a matrix. */
export function itemFeatures(tape: Tape, items: DeviceItems): Tensor | undefined {
  if (!items.features) return undefined;
  return tape.tensor("items/features", items.count, items.width, { view: items.features, trainable: false });
}

/** The items' features as the tape sees them. */

import type { DeviceItems } from "../batch/device_log.ts";
import type { ItemFeatures } from "../data/click_log.ts";
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

/** The constant [I, F] of dense features; undefined with one-hot ones, which never become a matrix. */
export function itemFeatures(tape: Tape, items: DeviceItems): Tensor | undefined {
  if (!items.features) return undefined;
  return tape.tensor("items/features", items.count, items.width, { view: items.features, trainable: false });
}

/** The items' features as the tape sees them. */

import type { DeviceItems } from "../batch/device_log.ts";
import type { ClickLog, ItemFeatures } from "../data/click_log.ts";
import { UserError } from "../data/user_error.ts";
import { mixedProduct } from "../ops/mixed_product.ts";
import type { TokenRows } from "../ops/token_sum.ts";
import type { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";

/** What a model's shape depends on: I, F (I with one-hot features), and V with mixed ones. */
export type ItemsShape =
  | { readonly kind: "one-hot" | "dense"; readonly count: number; readonly width: number }
  | { readonly kind: "mixed"; readonly count: number; readonly width: number; readonly tokens: number };

export function itemsShape(items: ItemFeatures): ItemsShape {
  const { kind, count } = items;
  if (kind === "mixed") return { kind, count, width: items.width, tokens: items.tokens.count };
  return { kind, count, width: kind === "dense" ? items.width : count };
}

/** V; undefined for items without tokens. */
export function tokenCount(items: ItemsShape): number | undefined {
  return items.kind === "mixed" ? items.tokens : undefined;
}

function shapeText(items: ItemsShape): string {
  const tokens = tokenCount(items);
  const parts = [
    ...(tokens === undefined ? [] : [`${tokens} tokens`]),
    ...(items.kind === "one-hot" || items.width === 0 ? [] : [`${items.width} features`]),
  ];
  return `${items.count} ${items.kind} items${parts.length > 0 ? ` of ${parts.join(" and ")}` : ""}`;
}

/**
 * The log over a model's items: itself, or with one-hot items widened to the model's catalogue, since a log need not
 * show every item.
 * @param what the model, for the message.
 * @throws UserError for a log over other items.
 */
export function fitItems(log: ClickLog, wanted: ItemsShape, what: string): ClickLog {
  const found = itemsShape(log.items);
  if (found.kind === wanted.kind) {
    if (found.kind === "one-hot" && found.count <= wanted.count) {
      return { ...log, items: { kind: "one-hot", count: wanted.count } };
    }
    const same = found.count === wanted.count && found.width === wanted.width;
    if (same && tokenCount(found) === tokenCount(wanted)) return log;
  }
  throw new UserError(
    `${what} is over ${shapeText(wanted)}, but ${log.name} shows ${
      shapeText(found)
    }. Use a log over the same items.`,
  );
}

/** The constant [I, F] of dense features; undefined without: one-hot ones and tokens never become a matrix. */
export function itemFeatures(tape: Tape, items: DeviceItems): Tensor | undefined {
  if (!items.features) return undefined;
  return tape.tensor("items/features", items.count, items.width, { view: items.features, trainable: false });
}

/**
 * W f of mixed features, f = tokens beside dense features; undefined for items without tokens.
 * @param names of the parameters: a token table [V, N], and a kernel [F, N] where there are dense features.
 */
export function mixedPart(
  tape: Tape,
  name: string,
  items: DeviceItems,
  names: { readonly table: string; readonly kernel: string },
  rows: TokenRows,
): Tensor | undefined {
  if (!items.tokens) return undefined;
  const features = itemFeatures(tape, items);
  const dense = features && { features, weights: tape.parameter(names.kernel) };
  return mixedProduct(tape, name, { table: tape.parameter(names.table), dense }, rows);
}

import type { DeviceItems } from "../batch/device_items.ts";
import { getTokenCount, type ItemsShape } from "../data/item_catalogue.ts";
import { distinctItems } from "../ops/embedding.ts";
import { linear } from "../ops/linear.ts";
import { mixedProduct, type TokenRows } from "../ops/mixed_product.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelParameter } from "./initial_weights.ts";

/**
 * Returns the items' dense features as a constant tensor [capacity, F]; undefined for items without dense
 * features. One-hot features and tokens are not part of this tensor.
 */
export function recordItemFeatures(tape: ClickTape, items: DeviceItems): Tensor | undefined {
  if (!items.features) return undefined;
  return tape.tensor("items/features", items.capacity, items.width, {
    view: items.features,
    trainable: false,
  });
}

/** Adds ops for W f if items have tokens: sums of token rows (table [V, N]) + dense features * [F, N]. */
export function recordMixedFeatures(
  tape: ClickTape,
  name: string,
  items: DeviceItems,
  names: { readonly table: string; readonly kernel: string },
  rows: TokenRows,
): Tensor | undefined {
  if (!items.tokens) return undefined;
  const features = recordItemFeatures(tape, items);
  const dense = features && { features, weights: tape.parameter(names.kernel) };
  return mixedProduct(tape, name, { table: tape.parameter(names.table), dense }, rows);
}

/** Lists a layer's weights for items: [F, N] for dense features, [V, N] for tokens, [I, N] for one-hot. */
export function listItemKernels(
  items: ItemsShape,
  part: string,
  columns: number,
  initial: ModelParameter["initial"],
): ModelParameter[] {
  const item = { columns, decays: true, initial };
  const V = getTokenCount(items);
  return [
    ...(items.width > 0
      ? [{ name: `${part}/item_kernel`, rows: items.width, table: items.kind === "one-hot", ...item }]
      : []),
    ...(V === undefined ? [] : [{ name: `${part}/token_table`, rows: V, table: true, ...item }]),
  ];
}

/** Adds ops for W f [items, N]: a layer's weights W times item features f; returns W for one-hot items. */
export function recordItemLayer(tape: ClickTape, items: DeviceItems, part: string): Tensor {
  const names = { table: `${part}/token_table`, kernel: `${part}/item_kernel` };
  return recordItemProduct(tape, `${part}/item_part`, items, names);
}

export function recordItemProduct(
  tape: ClickTape,
  name: string,
  items: DeviceItems,
  names: { readonly table: string; readonly kernel: string },
): Tensor {
  const mixed = recordMixedFeatures(tape, name, items, names, "items");
  if (mixed) return mixed;
  const weights = tape.parameter(names.kernel);
  const features = recordItemFeatures(tape, items);
  return features
    ? linear(tape, name, { input: features, weights }, { gather: distinctItems(tape.batch) })
    : weights;
}

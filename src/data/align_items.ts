/** Compares the item catalogues of a log and a model. */

import { getTokenCount, type ItemCatalogue, type ItemsShape, toCatalogue } from "./item_catalogue.ts";
import type { LogSource } from "./log_source.ts";
import { UserError } from "../user_error.ts";

function formatItemsShape(items: ItemsShape): string {
  const tokens = getTokenCount(items);
  const parts = [
    ...(tokens === undefined ? [] : [`${tokens} tokens`]),
    ...(items.kind === "one-hot" || items.width === 0 ? [] : [`${items.width} features`]),
  ];
  return `${items.count} ${items.kind} items${parts.length > 0 ? ` of ${parts.join(" and ")}` : ""}`;
}

/**
 * Returns the log with the model's item catalogue. If items are one-hot, the log may have fewer.
 * @param what - name of the model in the message. @throws UserError if the log's items do not fit the model.
 */
export function alignSourceToModel(source: LogSource, wanted: ItemsShape, what: string): LogSource {
  const items = alignItems(source, wanted, what);
  return items === source.items ? source : source.with({ items });
}

function alignItems({ name, items }: LogSource, wanted: ItemsShape, what: string): ItemCatalogue {
  const found = items.shape;
  if (found.kind === wanted.kind) {
    const same = found.count === wanted.count && found.width === wanted.width;
    if (same && getTokenCount(found) === getTokenCount(wanted)) return items;
    if (found.kind === "one-hot" && found.count <= wanted.count) {
      return toCatalogue({ kind: "one-hot", count: wanted.count });
    }
  }
  throw new UserError(
    `Expected the items of ${what} (${formatItemsShape(wanted)}), got ${name} with ${
      formatItemsShape(found)
    }. ` +
      "Use a log with the model's items.",
  );
}

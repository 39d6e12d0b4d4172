/** A source of clicks over a model's items. */

import { type LogSource, withoutClicks } from "../data/log_source.ts";
import { fitItems, type ItemsShape } from "./item_features.ts";

/** As {@link fitItems}. @throws UserError for a source over other items. */
export function fitSource(source: LogSource, wanted: ItemsShape, what: string): LogSource {
  const { items } = fitItems(withoutClicks(source), wanted, what);
  return items.count === source.items.count ? source : source.with({ items });
}

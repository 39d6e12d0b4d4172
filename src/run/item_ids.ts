/**
 * Item ids: the tokens by which items are known one by one, beside the features that they share. A model may leave them out,
 * without another data set.
 */

import type { ItemsShape } from "../data/item_catalogue.ts";
import type { LogSource } from "../data/log_source.ts";
import type { Features } from "../data/manifest.ts";
import { withoutTokens } from "../data/without_tokens.ts";
import { UserError } from "../user_error.ts";
import type { DataConfig } from "./run_config.ts";

type Field = Features["tokens"][number];

/** What `deno task data` calls their field. */
const ITEM_IDS = "item";

const isIds = ({ name, column = null }: Field) => name === ITEM_IDS && column === null;

/** The item ids of a set that knows more of its items than these; they are the last of its tokens. */
export function itemIdsOf(features: Features | undefined): Field | undefined {
  const field = features?.tokens.find(isIds);
  if (!features || !field || features.tokens.length + features.dense.length < 2) return undefined;
  const isLast = features.tokens.every(({ first }) => first <= field.first);
  return isLast ? field : undefined;
}

/** What of a data set says something of its items. */
export interface ItemData {
  readonly source: { readonly items: { readonly shape: ItemsShape } };
  readonly features: Features | undefined;
}

/** What of the items may help a model that does not know it yet. */
export function unusedOf({ source: { items: { shape } }, features }: ItemData): string {
  const knowsIds = shape.kind === "one-hot" || features?.tokens.some(isIds);
  return knowsIds ? "more features of the items" : "item ids beside the features";
}

/** What of a data set changes with its item ids. */
interface Whole extends ItemData {
  readonly config: DataConfig;
  readonly source: LogSource;
}

/** A set whose items are known by their features alone. @throws UserError for one without item ids, or without features. */
export function withoutItemIds<T extends Whole>(data: T): T {
  const { source, features, config } = data;
  const field = itemIdsOf(features);
  if (!features || !field || config.kind !== "prepared") {
    throw new UserError(
      `Expected a data set with item ids and other features with --no-item-ids, got ${source.name}, ` +
        "which has only one of the two. Leave the option out.",
    );
  }
  return {
    ...data,
    config: { ...config, itemIds: false },
    source: source.with({ items: withoutTokens(source.items, field.first) }),
    features: { ...features, tokens: features.tokens.filter((other) => other !== field) },
  };
}

/** Reads the context of a request: values of the data set's impression and page columns, from which context features are computed. */

import * as v from "../schema.ts";
import { EncodedContext, type RequestContext } from "../data/context_values.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { UserError } from "../user_error.ts";

const record = v.record(v.string(), v.union([v.string(), v.finiteNumber(), v.boolean(), v.null()]));

export const contextSchema = v.strictObject({
  page: v.optional(record),
  impressions: v.optional(v.record(v.string(), record)),
  time: v.optional(v.union([v.string(), v.finiteNumber()])),
});

/**
 * Returns the encoded context of a request; undefined for a data set without context features, if the request has no context.
 * @param skipUnknown: true to ignore impressions of unknown items. @throws UserError for unknown items, columns and values.
 */
export function encodeContext(
  data: OpenedDataset,
  context: RequestContext | undefined,
  skipUnknown = false,
): EncodedContext | undefined {
  const features = data.dataset.features?.context ?? [];
  if (features.length === 0 && context === undefined) return undefined;
  const unknown = Object.keys(context?.impressions ?? {}).find((id) =>
    data.items.findIndex(id) === undefined
  );
  if (unknown !== undefined && !skipUnknown) {
    throw new UserError(
      `context.impressions: Expected ids of items of the data set, got ${JSON.stringify(unknown)}.`,
    );
  }
  return new EncodedContext(features, context);
}

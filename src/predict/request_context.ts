/** Reads the context of a request: values of the data set's impression and page columns, from which context features are computed. */

import * as v from "../schema.ts";
import {
  type ContextRecord,
  EncodedContext,
  type RequestContext,
  splitContext,
} from "../data/context_values.ts";
import { type ContextFeature, type FeatureManifest, listContextColumns } from "../data/manifest.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { UserError } from "../user_error.ts";

const record = v.record(v.string(), v.union([v.string(), v.finiteNumber(), v.boolean(), v.null()]));

export const contextSchema = v.strictObject({
  page: v.optional(record),
  impressions: v.optional(v.record(v.string(), record)),
  time: v.optional(v.union([v.string(), v.finiteNumber()])),
});

/** Lists the context features that a model reads; none for a model without counts. */
export function listModelContext(
  { counts }: ModelConfig,
  features: FeatureManifest | undefined,
): readonly ContextFeature[] {
  return counts?.rowFeatures ? features?.context ?? [] : [];
}

/** Schema of values of columns that hold on all pages of a simulation, by the column's name. */
export const standInSchema = record;

/**
 * Returns a model's scale of counts in which values stand in for context features where no page is logged. Features of columns
 * without a value keep their means. @param scale - [3, C] values of the tensor `counts/scale`
 * @throws UserError for unknown columns or unreadable values
 */
export function setStandIns(
  scale: Float32Array<ArrayBuffer>,
  features: readonly ContextFeature[],
  values: ContextRecord,
): Float32Array<ArrayBuffer> {
  const columns = listContextColumns(features).map(({ column }) => column);
  const other = Object.keys(values).find((name) => !columns.includes(name));
  if (other !== undefined) {
    throw new UserError(
      `Expected --context with the context columns of the model (${
        columns.join(", ") || "it has none"
      }), got ${other}.`,
    );
  }
  const { page, impression } = splitContext(features, values);
  const row = new EncodedContext(features, { page, impressions: { "": impression } }).encodeRow("");
  const changed = scale.slice();
  features.forEach(({ transform }, k) => {
    if (transform.column in values) changed[scale.length - features.length + k] = row[k] ?? 0;
  });
  return changed;
}

/**
 * Returns the encoded context of a request; undefined for a model without context features, if the request has no context.
 * @param skipUnknown: true to ignore impressions of unknown items. @throws UserError for unknown items, columns and values.
 */
export function encodeContext(
  data: OpenedDataset,
  config: ModelConfig,
  context: RequestContext | undefined,
  skipUnknown = false,
): EncodedContext | undefined {
  const features = listModelContext(config, data.dataset.features);
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

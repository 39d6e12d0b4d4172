/** Reads the context features of a request: values of the data set's columns per page and per impression. */

import * as v from "../schema.ts";
import { ALL_ITEMS, EncodedContext } from "../data/context_values.ts";
import type { ContextRecord, RequestContext } from "../data/context_values.ts";
import { type ContextFeature, type FeatureManifest, listContextColumns } from "../data/manifest.ts";
import type { ModelConfig } from "../model/model_config.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { SimulatedContexts } from "../simulate/contexts.ts";
import { UserError } from "../user_error.ts";

const record = v.record(v.string(), v.union([v.string(), v.finiteNumber(), v.boolean(), v.null()]));

export const contextSchema = v.strictObject({
  page: v.optional(record),
  impressions: v.optional(v.record(v.string(), record)),
  time: v.optional(v.union([v.string(), v.finiteNumber()])),
});

/** Lists the context features that a model reads. */
export function listModelContext(
  { counts }: ModelConfig,
  features: FeatureManifest | undefined,
): readonly ContextFeature[] {
  return counts?.rowFeatures ? features?.context ?? [] : [];
}

/**
 * Sets the context of simulated pages to a request's values.
 * @throws UserError for unknown columns, unreadable values, or a value for a single item
 */
export function setGivenContext(
  contexts: SimulatedContexts | undefined,
  given: RequestContext,
): SimulatedContexts | undefined {
  const item = Object.keys(given.impressions ?? {}).find((id) => id !== ALL_ITEMS);
  if (item !== undefined) {
    throw new UserError(
      `context.impressions: Expected "${ALL_ITEMS}" (all items) for simulated pages, got ${
        JSON.stringify(item)
      }.`,
    );
  }
  const features = contexts?.features ?? [];
  const values = mergeGivenContext(given);
  const encoded = new EncodedContext(features, given);
  const row = encoded.encodeRow(ALL_ITEMS);
  const unknown = listContextColumns(features).find(({ column }) => encoded.gaps.unknown.includes(column));
  if (unknown) {
    throw new UserError(
      `Expected ${unknown.column} in --context to be one of ${unknown.values?.join(", ")}, got ${
        values[unknown.column]
      }.`,
    );
  }
  const isGiven = features.map(({ transform }) => transform.column in values);
  return contexts && new SimulatedContexts(
    features,
    contexts.rows.map((x, k) => isGiven[k % row.length] ? row[k % row.length]! : x),
    contexts.count,
    contexts.perItem,
  );
}

/** Returns a request's context values by column name: those of the page, and those for all items ("*"). */
export function mergeGivenContext({ page, impressions }: RequestContext): ContextRecord {
  return { ...page, ...impressions?.[ALL_ITEMS] };
}

/**
 * Checks and encodes the context of a request. Returns undefined for a model that ignores context.
 * @param skipUnknown - true to ignore impressions of unknown items
 * @throws UserError for unknown items, columns and values
 */
export function encodeContext(
  { dataset: { features }, items }: OpenedDataset,
  config: ModelConfig,
  context: RequestContext | undefined,
  skipUnknown = false,
): EncodedContext | undefined {
  const described = Object.keys(context?.impressions ?? {});
  const unknown = described.find((id) => id !== ALL_ITEMS && items.findIndex(id) === undefined);
  if (unknown !== undefined && !skipUnknown) {
    throw new UserError(
      `context.impressions: Expected ids of items of the data set, got ${JSON.stringify(unknown)}.`,
    );
  }
  const encoded = new EncodedContext(features?.context ?? [], context);
  if (listModelContext(config, features).length > 0) return encoded;
  encoded.encodeRows(described); // checks the columns and values
  return undefined;
}

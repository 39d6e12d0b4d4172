/** Reads the context of a request: values of the page columns and impression columns of the data set. */

import * as v from "../schema.ts";
import { EncodedContext, splitContext } from "../data/context_values.ts";
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

/** Lists the context features that are inputs of a model; none if it has no count features. */
export function listModelContext(
  { counts }: ModelConfig,
  features: FeatureManifest | undefined,
): readonly ContextFeature[] {
  return counts?.rowFeatures ? features?.context ?? [] : [];
}

/** Schema of the context values that apply to all pages of a simulation, by column name. */
export const givenContextSchema = record;

/**
 * Sets columns of all contexts to given values. @param contexts - undefined for a model without context
 * features @throws UserError for unknown columns or unreadable values
 */
export function setGivenContext(
  contexts: SimulatedContexts | undefined,
  values: ContextRecord,
): SimulatedContexts | undefined {
  const columns = listContextColumns(contexts?.features).map(({ column }) => column);
  const other = Object.keys(values).find((name) => !columns.includes(name));
  if (other !== undefined) {
    const expected = columns.join(", ") || "the model has none";
    throw new UserError(`Expected --context with the model's context columns (${expected}), got ${other}.`);
  }
  if (!contexts) return undefined;
  const { features, rows } = contexts;
  const { page, impression } = splitContext(features, values);
  const encoded = new EncodedContext(features, { page, impressions: { "": impression } });
  const row = encoded.encodeRow("");
  const unknown = listContextColumns(features).find(({ column }) => encoded.gaps.unknown.includes(column));
  if (unknown) {
    throw new UserError(
      `Expected --context with ${unknown.column} as one of ${unknown.values?.join(", ")}, got ${
        values[unknown.column]
      }.`,
    );
  }
  const given = features.map(({ transform }) => transform.column in values);
  const changed = rows.map((x, k) => given[k % row.length] ? row[k % row.length]! : x);
  return new SimulatedContexts(features, changed);
}

/**
 * Checks and encodes the context of a request; undefined for a model that ignores context, such as a baseline.
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
  const unknown = described.find((id) => items.findIndex(id) === undefined);
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

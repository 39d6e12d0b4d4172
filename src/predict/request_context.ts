/** Reads the context of a request: values of the page columns and impression columns of the data set. */

import * as v from "../schema.ts";
import { EncodedContext, splitContext } from "../data/context_values.ts";
import type { ContextRecord, RequestContext } from "../data/context_values.ts";
import { type ContextFeature, type FeatureManifest, listContextColumns } from "../data/manifest.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { SCALE } from "../model/model_counts.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import type { OpenedRun } from "../run/open_run.ts";
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
export const standInSchema = record;

/**
 * Replaces means of context features by given values, for pages without a logged context (simulated pages).
 * Other features keep their means. @param scale - [3, C] tensor `counts/scale` of a model. @returns a changed
 * copy
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
    const expected = columns.join(", ") || "the model has none";
    throw new UserError(`Expected --context with the model's context columns (${expected}), got ${other}.`);
  }
  const { page, impression } = splitContext(features, values);
  const row = new EncodedContext(features, { page, impressions: { "": impression } }).encodeRow("");
  const changed = scale.slice();
  features.forEach(({ transform }, k) => {
    if (transform.column in values) changed[scale.length - features.length + k] = row[k] ?? 0;
  });
  return changed;
}

/** Returns the context features [X] of simulated pages: means, or the values of {@link setStandIns}. */
export function getStandIns(
  { info, weights }: OpenedRun,
  features: FeatureManifest | undefined,
): Float32Array {
  const scale = weights.get(SCALE) ?? new Float32Array();
  return scale.slice(scale.length - listModelContext(info.model, features).length);
}

/**
 * Encodes the context of a request; undefined if neither request nor model has any. @param skipUnknown - true
 * to ignore impressions of unknown items @throws UserError for unknown items, columns and values
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

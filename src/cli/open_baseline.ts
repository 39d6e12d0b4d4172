/** Opens a baseline that replaces a run's model. The baseline is fitted to the run's train users. */

import { buildCountsConfig } from "../counts/count_tables.ts";
import { keepsItemNumbers } from "../data/feature_difference.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { type Dataset, isSameCatalogue } from "../data/sets/dataset.ts";
import { baselineNames, baselineOptions, baselineTitles } from "../metrics/baselines/baseline_names.ts";
import { FittedBaselines } from "../metrics/baselines/baselines.ts";
import { LOGIT_POSITIONS } from "../metrics/baselines/scorers.ts";
import { fitLogitWeights, scaleUtilities } from "../model/logit_weights.ts";
import { BaselineModel } from "../predict/baseline_model.ts";
import type { OpenedRun } from "../run/open_run.ts";
import { UserError } from "../user_error.ts";

/**
 * Opens a baseline. Returns undefined for "logit on counts", a model that is put in place of `run`'s model.
 * @param trained - training data of the run @param own - the command's data set, possibly with more items
 * @throws UserError if `own` lacks items of `trained`, or the baseline cannot be fitted to `trained`
 */
export function openBaseline(
  run: OpenedRun,
  trained: Dataset,
  own: Dataset,
  option: string,
  onProgress: OnProgress,
): BaselineModel | undefined {
  const name = baselineNames.find((name) => baselineOptions[name] === option) ?? "logit";
  const refuse = (what: string, { source }: Dataset) => {
    throw new UserError(`Expected --baseline ${option} with ${what}, got ${source.name}.`);
  };
  const { features, pageOrder } = trained;
  const fit = (log: LogSource) => FittedBaselines.of(log, features?.tokens, onProgress, pageOrder);
  if (name === "logit") {
    if (useLogit(run, trained, fit(trained.source), onProgress)) return undefined;
    return refuse("fewer items, whose counts fit into a table", trained);
  }
  const isKnown = keepsItemNumbers(features, own.features) ?? isSameCatalogue(trained.config, own.config);
  if (!isKnown) return refuse("the data of the run, or data with all items of the run", own);
  const { source } = run.fit(own);
  const fitted = fit(trained.source.with({ items: source.items })); // new items of later data have no counts
  if (!fitted.scale(name)) {
    return refuse("data with validation users and with the features that the baseline counts", trained);
  }
  return new BaselineModel(source, fitted, name, run.info.model);
}

/** Scale that leaves utilities unchanged, for data without validation users (to whom a scale is fitted). */
const NO_SCALE = { offset: 0, slope: 1 };

/** Replaces a run's model by the logit on counts. Returns false if tables of counts would be too large. */
function useLogit(
  run: OpenedRun,
  { source, features, pageOrder }: Dataset,
  fitted: FittedBaselines,
  onProgress: OnProgress,
): boolean {
  const { shape } = source.items;
  const counts = buildCountsConfig(source, features?.tokens ?? []);
  if (!counts) return false;
  const { wide } = run.info.model;
  const model = {
    ...run.info.model,
    counts,
    eta: 1,
    loss: "choice" as const,
    positions: pageOrder === "shown" ? LOGIT_POSITIONS : 0,
    wide: shape.kind !== "one-hot" && shape.width > 0 ? Math.max(1, wide) : wide,
  };
  const weights = fitLogitWeights(source, model, onProgress);
  run.replaceModel(model, scaleUtilities(weights, fitted.scale("logit") ?? NO_SCALE), baselineTitles.logit);
  return true;
}

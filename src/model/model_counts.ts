/**
 * Utility of an item with count features c and other features f, for a user with state s:
 *
 *   u = w c + b + network(c, f, s).
 *
 * The linear part, a conditional logit with a convex loss, is fitted first. The network's initial output is
 * zero, so training starts from the fitted logit.
 */

import type { ClickTape } from "../batch/click_tape.ts";
import { type CountsConfig, countTableWidth, countWidth } from "../counts/count_columns.ts";
import { fitCounts } from "../counts/logit.ts";
import { countTables, estimateUnshownItem, extendTable } from "../counts/count_tables.ts";
import type { ItemCatalogue, ItemsShape } from "../data/item_catalogue.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { recentClicks, rowCounts } from "../ops/row_counts.ts";
import { type ClickScores, UnmaterializedScores } from "../ops/row_dot.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { CountTables, LogWithCounts } from "../counts/page_counts.ts";
import { countTrain } from "../counts/train_counts.ts";
import { splits } from "../data/click_log.ts";
import type { ModelConfig } from "./model_config.ts";
import type { RecordableModel } from "./model_program.ts";
import { drawZeros, makeTruncatedNormal, type ModelParameter } from "./initial_weights.ts";
import { fillPositionEffects, POSITION_BIAS } from "./position_effect.ts";
import { PART } from "./utility.ts";

/** Name of the tensor with one row of counts per item. */
export const TABLE = "counts/table";
/** Name of a tensor [3, C] for C count features: rows for means, for 1 / sd, and for other constants. */
export const SCALE = "counts/scale";
/** Names of the kernel [1, C] and the bias of the linear part, which adds w * counts + b to the utility. */
export const KERNEL = "counts/kernel";
export const BIAS = "counts/bias";
/** Name of the kernel [C, N] that multiplies count features in the utility network's first layer. */
export const FIRST_LAYER = "utility/layer1/count_kernel";
const WIDE_ITEM_KERNEL = `${PART}/item_kernel`;
/** Name of the tensor with the last clicks before each event. */
export const RECENT = "counts/recent";

const TRAIN = splits.indexOf("train");

export function listCountParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
  const { counts, dims: [first], kernelSd } = config;
  if (!counts) return [];
  const C = countWidth(counts);
  const constant = { constant: true, initial: drawZeros };
  return [
    { name: TABLE, rows: items.count, columns: countTableWidth(counts), ...constant },
    { name: SCALE, rows: 3, columns: C, ...constant },
    { name: KERNEL, rows: 1, columns: C, initial: drawZeros },
    { name: BIAS, rows: 1, columns: 1, initial: drawZeros },
    ...(first === undefined ? [] : [{
      name: FIRST_LAYER,
      rows: C,
      columns: first,
      decays: true,
      initial: makeTruncatedNormal(kernelSd),
    }]),
  ];
}

/** Adds ops for count features [rows, C]. @param recent - result of recordRecentClicks, if any */
export function recordCounts(tape: ClickTape, { counts }: ModelConfig, recent?: Tensor): Tensor | undefined {
  if (!counts) return undefined;
  const [table, scale] = [tape.parameter(TABLE), tape.parameter(SCALE)];
  const clicks = recent ?? recordRecentClicks(tape, counts);
  return rowCounts(tape, "counts/of_rows", { recent: clicks, table, scale }, counts);
}

/** Adds ops that list the last clicks before each event, an input of the count features. */
export function recordRecentClicks(tape: ClickTape, counts: CountsConfig): Tensor {
  return recentClicks(tape, RECENT, tape.parameter(TABLE), counts);
}

/** Adds ops for utilities [rows, 1]: the sum of `base` and a linear function of the count features. */
export function addLinearPart(tape: ClickTape, counts: Tensor, base: ClickScores): ClickScores {
  const term = { input: counts, weights: tape.parameter(KERNEL), bias: tape.parameter(BIAS) };
  const name = "counts/utility";
  return base instanceof UnmaterializedScores
    ? base.plus(name, term)
    : new UnmaterializedScores(tape, name, { ...term, base });
}

/**
 * Returns the weights with which the training of a model with counts starts: the train users' count tables,
 * and the weights of a conditional logit. When the logit is fitted, a user's counts exclude the user's own
 * pages. The logit's weights of dense item features initialise the wide part, if the model has one.
 */
export function initializeFromCounts(
  source: LogSource,
  config: ModelConfig,
  seed: number,
  onProgress?: OnProgress,
): Weights {
  const { counts, positions, wide } = config;
  if (!counts) return new Map();
  const tables = countTables(source, counts, onProgress);
  onProgress?.("Fitting a logit on counts", 0, 1);
  const logit = fitCounts(source, tables, { dense: wide > 0, positions: positions, seed });
  const C = countWidth(counts);
  const scale = new Float32Array(3 * C);
  scale.set(logit.mean, 0);
  scale.set(logit.scaled, C);
  scale.set(listScaleConstants(tables), 2 * C);
  const X = counts.rowFeatures ?? 0;
  scale.copyWithin(3 * C - X, C - X, C); // a displayed item without a logged context gets the means
  const start: Weights = new Map([
    [TABLE, tables.items],
    [SCALE, scale],
    [KERNEL, Float32Array.from(logit.counts)],
    [BIAS, Float32Array.of(logit.bias)],
  ]);
  if (positions > 0) start.set(POSITION_BIAS, Float32Array.from(logit.positions));
  if (logit.dense.length > 0) {
    // The wide part is dot(b + A h, B f) with b = 1: the weights are split evenly over the K columns of B.
    const shares = Float32Array.from(
      { length: wide * logit.dense.length },
      (_, k) => logit.dense[Math.floor(k / wide)]! / wide,
    );
    start.set(WIDE_ITEM_KERNEL, shares);
  }
  return start;
}

function listScaleConstants({ meanRate, longestPage, leastUsers, pageRate }: CountTables): readonly number[] {
  return [meanRate, longestPage, leastUsers, pageRate];
}

/** Initial weights: all weights, or a seed from which all weights except those in `start` are drawn. */
export type InitialWeights =
  | { readonly seed: number; readonly start?: Weights }
  | { readonly weights: Weights };

/** Adds counts of a log's train users to `initial`. If `initial` has weights, mean and sd stay unchanged. */
export function initializeOnLog(
  source: LogSource,
  config: ModelConfig,
  initial: InitialWeights,
  onProgress?: OnProgress,
): InitialWeights {
  if (!config.counts) return initial;
  if ("seed" in initial) {
    const { seed } = initial;
    return { seed, start: initializeFromCounts(source, config, seed, onProgress) };
  }
  const scale = initial.weights.get(SCALE)?.slice();
  if (!scale) return initial; // the model's constructor reports missing weights
  const tables = countTables(source, config.counts, onProgress);
  scale.set(listScaleConstants(tables), 2 * countWidth(config.counts));
  return { weights: new Map([...initial.weights, [TABLE, tables.items], [SCALE, scale]]) };
}

/** Adds weights for items and positions that do not occur in the training log. */
export function extendWeights(trained: Weights, { counts }: ModelConfig, items: ItemCatalogue): Weights {
  const weights = fillPositionEffects(trained);
  const table = weights.get(TABLE);
  if (!counts || !table) return weights;
  const extended = extendTable(table, counts, items);
  return extended === table ? weights : new Map([...weights, [TABLE, extended]]);
}

/** Returns count settings for a log; includes `latest` if the model was trained on the log's train users. */
export function loadCountedLog(
  { config: { counts }, parameters }: Pick<RecordableModel, "config" | "parameters">,
  source: LogSource,
  users: ArrayLike<number>,
): LogWithCounts | undefined {
  if (!counts) return undefined;
  const { latest, sampledPages, rowFeatures } = counts;
  if (!Array.from(users).some((user) => source.userSplit[user] === TRAIN)) {
    return { sampledPages, rowFeatures };
  }
  const table = parameters.constant(TABLE);
  const width = countTableWidth(counts);
  const { shown, clicks } = countTrain(source);
  const unshown = estimateUnshownItem(shown, clicks);
  const same = shown.every((n, item) => {
    const own = n > 0 ? { shown: n, clicks: clicks[item] } : unshown;
    return own.shown === table?.[item * width] && own.clicks === table[item * width + 1];
  });
  return same ? { latest, sampledPages, rowFeatures } : { sampledPages, rowFeatures };
}

/**
 * What counting knows enters the utility: u = linear part of the counts + the rest, which reads them, too.
 *
 *   u_a = w c_a + b + network(counts, features, state)
 *
 * The linear part is fitted first, as it is convex, and all else begins at zero: a training starts as that conditional logit.
 */

import type { ClickTape } from "../batch/click_tape.ts";
import { type CountsConfig, countTableWidth, countWidth } from "../counts/count_columns.ts";
import { fitCounts } from "../counts/logit.ts";
import { countTables } from "../counts/count_tables.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import type { LogSource, OnProgress } from "../data/log_source.ts";
import { recentClicks, rowCounts } from "../ops/row_counts.ts";
import { type ClickScores, UnmaterializedScores } from "../ops/row_dot.ts";
import type { Weights } from "../tape/parameters.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { LogWithCounts } from "../batch/device_log.ts";
import type { CountTables } from "../counts/page_counts.ts";
import { countTrain } from "../counts/train_counts.ts";
import { splits } from "../data/click_log.ts";
import type { ModelConfig } from "./model_config.ts";
import type { RecordableModel } from "./model_program.ts";
import { drawZeros, makeTruncatedNormal, type ModelParameter } from "./initial_weights.ts";
import { POSITION_BIAS } from "./position_effect.ts";
import { PART } from "./utility.ts";

/** The names of its weights: [I, .] what is counted of each item; [3, C] means, 1 / sd, (mean rate, longest page, least users); the linear part. */
export const TABLE = "counts/table";
export const SCALE = "counts/scale";
export const KERNEL = "counts/kernel";
export const BIAS = "counts/bias";
/** What the counts give the first layer, [C, N]. */
export const FIRST_LAYER = "utility/layer1/count_kernel";
const WIDE_ITEM_KERNEL = `${PART}/item_kernel`;
/** Of an event, where the users of a page are carried on. */
export const RECENT = "counts/recent";

const TRAIN = splits.indexOf("train");

export function countParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
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

/** [rows, C] counts of a batch; undefined for a model without. @param recent where users are carried on */
export function recordCounts(tape: ClickTape, { counts }: ModelConfig, recent?: Tensor): Tensor | undefined {
  if (!counts) return undefined;
  const [table, scale] = [tape.parameter(TABLE), tape.parameter(SCALE)];
  const clicks = recent ?? recentPart(tape, counts);
  return rowCounts(tape, "counts/of_rows", { recent: clicks, table, scale }, counts);
}

/** [events, .] the last clicks that counts look back at. */
export function recentPart(tape: ClickTape, counts: CountsConfig): Tensor {
  return recentClicks(tape, RECENT, tape.parameter(TABLE), counts);
}

/** [rows, 1] the linear part, added to what the rest of the model makes of a row. */
export function addLinearPart(tape: ClickTape, counts: Tensor, base: Tensor): ClickScores {
  const parts = { input: counts, weights: tape.parameter(KERNEL), bias: tape.parameter(BIAS), base };
  return new UnmaterializedScores(tape, "counts/utility", parts);
}

/**
 * What a model with counts starts from: the tables of the train users, and the conditional logit that is fitted on them, each
 * user taken without their own pages. Its part of the dense features stands in the wide part, where there is one.
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
  onProgress?.("Fitting a logit of the counts", 0, 1);
  const logit = fitCounts(source, tables, { dense: wide > 0, places: positions, seed });
  const C = countWidth(counts);
  const scale = new Float32Array(3 * C);
  scale.set(logit.mean, 0);
  scale.set(logit.scaled, C);
  scale.set(ofAllItems(tables), 2 * C);
  const start: Weights = new Map([
    [TABLE, tables.items],
    [SCALE, scale],
    [KERNEL, Float32Array.from(logit.counts)],
    [BIAS, Float32Array.of(logit.bias)],
  ]);
  if (positions > 0) start.set(POSITION_BIAS, Float32Array.from(logit.places));
  if (logit.dense.length > 0) {
    // (b + A h) . (B f) with b = 1: each of the K columns takes its share.
    const shares = Float32Array.from(
      { length: wide * logit.dense.length },
      (_, k) => logit.dense[Math.floor(k / wide)]! / wide,
    );
    start.set(WIDE_ITEM_KERNEL, shares);
  }
  return start;
}

/** The third row of the scale, as far as it is used. */
function ofAllItems({ meanRate, longestPage, leastUsers }: CountTables): readonly number[] {
  return [meanRate, longestPage, leastUsers];
}

/** What a model is made with: weights that are drawn, some of which are given, or all of them. */
export type InitialWeights = { readonly seed: number; readonly start?: Weights } | {
  readonly weights: Weights;
};

/**
 * What a training on a log begins with: what is counted is of its own train users, as they are taken without their own pages.
 * Weights keep the means and deviations by which they learned to read the counts.
 */
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
  if (!scale) return initial; // the model says what is missing
  const tables = countTables(source, config.counts, onProgress);
  scale.set(ofAllItems(tables), 2 * countWidth(config.counts));
  return { weights: new Map([...initial.weights, [TABLE, tables.items], [SCALE, scale]]) };
}

/**
 * What a log has to know for the counts of a model, undefined for a model without: its train users are taken without their own
 * pages where it is they whom the model has counted, whoever asks.
 */
export function loadCountedLog(
  { config: { counts }, parameters }: Pick<RecordableModel, "config" | "parameters">,
  source: LogSource,
  users: ArrayLike<number>,
): LogWithCounts | undefined {
  if (!counts) return undefined;
  if (!Array.from(users).some((user) => source.userSplit[user] === TRAIN)) return {};
  const table = parameters.constant(TABLE);
  const width = countTableWidth(counts);
  const { shown, clicks } = countTrain(source);
  const same = shown.every((n, item) =>
    n === table?.[item * width] && clicks[item] === table[item * width + 1]
  );
  return same ? { latest: counts.latest } : {};
}

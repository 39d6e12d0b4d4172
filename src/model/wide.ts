/**
 * The wide part of the utility, beside the hidden layers or in their place: a linear model of the item, and of pairs of what
 * was clicked and what is displayed.
 *
 *   (b + A h) . (B f)       b [K], A, B: of the clicks and of the item      h = sum over the last clicks of w_lag f_lag
 *
 * b . B f is the linear model of the item; (A h) . (B f) has a weight for each pair of a clicked feature and a displayed one,
 * as the crosses of a wide & deep model, but of rank K: the pairs of two catalogues are too many for a weight each. Without
 * hidden layers and K = 0 it is the linear model itself, W f, the conditional logit.
 */

import type { DeviceItems } from "../batch/device_items.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { itemTerm } from "../ops/item_term.ts";
import type { Tensor } from "../tape/tensor.ts";
import { defaultPwModel, type ModelConfig } from "./config.ts";
import { type ModelParameter, ones, truncatedNormal, zeros } from "./initial_weights.ts";
import { itemKernels, itemPart } from "./item_features.ts";
import type { RecordOptions } from "./model_program.ts";
import { clickKernels, type ClickProduct, clickProduct } from "./pw_encoder.ts";

/** Clicks back. */
export const LAGS = defaultPwModel.pwLags;
/** Of the kernels at the start, whatever the encoder's: b starts as ones, so that they are of use at once. */
const INITIAL_SD = 0.1;

/** Before the names of its parameters. */
export const PART = "wide";
/** Of its product with the last clicks. */
export const HISTORY: ClickProduct = {
  weights: `${PART}/weights`,
  bias: `${PART}/bias`,
  kernel: `${PART}/state_kernel`,
  tokenTable: `${PART}/state_token_table`,
  state: `${PART}/state`,
  clickPart: `${PART}/click_part`,
};

/** Whether there is a wide part. */
export function isWide({ wide, dims }: ModelConfig): boolean {
  return wide > 0 || dims.length === 0;
}

export function wideParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
  const { wide: K } = config;
  if (!isWide(config)) return [];
  if (K === 0) return itemKernels(items, PART, 1, zeros);
  const initial = truncatedNormal(INITIAL_SD);
  return [
    { name: HISTORY.weights, rows: LAGS, columns: 1, initial: () => 1 / LAGS },
    { name: HISTORY.bias, rows: 1, columns: K, initial: ones },
    ...clickKernels(items, HISTORY, 1, K, initial),
    // With counts the training starts as a logit of them: the item's side gives nothing at first.
    ...itemKernels(items, PART, K, config.counts ? zeros : initial),
  ];
}

/** [rows, 1]: the wide part, added to `base`: the hidden layers' utility, or a bias where there are none. */
export function wideUtility(
  tape: ClickTape,
  items: DeviceItems,
  { wide: K }: ModelConfig,
  base: Tensor,
  { itemDropout, given }: RecordOptions,
): Tensor {
  const state = K > 0 ? given?.wide ?? clickProduct(tape, `${PART}/state_part`, items, HISTORY) : undefined;
  return itemTerm(tape, `${PART}/utility`, { item: itemPart(tape, items, PART), state, base }, itemDropout);
}

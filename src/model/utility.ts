/**
 * The utility u = MLP([s ; f]) of every displayed row, and its wide part.
 *
 * The wide part is added to the hidden layers, or takes their place: a linear model of the item, and of pairs of what was
 * clicked and what is displayed.
 *
 *   (b + A h) . (B f)       b [K], A, B: of the clicks and of the item      h = sum over the last clicks of w_lag f_lag
 *
 * b . B f is the linear model of the item; (A h) . (B f) has a weight for each pair of a clicked feature and a displayed one,
 * as the crosses of a wide & deep model, but of rank K: the pairs of two catalogues are too many for a weight each. Without
 * hidden layers and K = 0 it is the linear model itself, W f, the conditional logit.
 */

import type { DeviceItems } from "../batch/device_items.ts";
import { batchNorm } from "../ops/batch_norm.ts";
import { firstLayer, type FirstLayerInputs } from "../ops/first_layer.ts";
import { linear } from "../ops/linear.ts";
import { type ClickScores, UnmaterializedScores } from "../ops/row_dot.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import { defaultPwModel, type ModelConfig } from "./model_config.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { listItemKernels, recordItemLayer } from "./item_features.ts";
import { drawOnes, drawZeros, makeTruncatedNormal, type ModelParameter } from "./initial_weights.ts";
import type { RecordingOptions } from "./model_program.ts";
import { itemTerm } from "../ops/item_term.ts";
import { type ClickProductNames, listClickKernels, recordClickProduct } from "./encoders.ts";

/**
 * Hidden layers of `dims`, ELU after each (and batch normalisation after that, as an option), and a linear scalar. The
 * first kernel [D + F, N] stands in two parts: the item's here, with a table of its own for tokens, the state's with the
 * encoder. Without hidden layers a bias is left.
 */
export function listUtilityParameters(
  items: ItemsShape,
  { dims, kernelSd, batchNorm, counts }: ModelConfig,
): ModelParameter[] {
  const initial = makeTruncatedNormal(kernelSd);
  // With counts the training starts as a logit of them: nothing else counts at first.
  const initialOutput = counts ? drawZeros : initial;
  const outputBias = { name: "utility/output/bias", rows: 1, columns: 1, initial: drawZeros };
  const [first] = dims;
  if (first === undefined) return [outputBias];
  const parameters: ModelParameter[] = [
    ...listItemKernels(items, "utility/layer1", first, initial),
    { name: "utility/layer1/bias", rows: 1, columns: first, initial: drawZeros },
    ...(batchNorm ? normParameters("utility/layer1", first) : []),
  ];
  dims.slice(1).forEach((columns, k) => {
    const layer = `utility/layer${k + 2}`;
    parameters.push({ name: `${layer}/kernel`, rows: dims[k] ?? 0, columns, decays: true, initial });
    parameters.push({ name: `${layer}/bias`, rows: 1, columns, initial: drawZeros });
    if (batchNorm) parameters.push(...normParameters(layer, columns));
  });
  parameters.push({
    name: "utility/output/kernel",
    rows: 1,
    columns: dims.at(-1) ?? 0,
    decays: true,
    initial: initialOutput,
  });
  parameters.push(outputBias);
  return parameters;
}

function normParameters(layer: string, columns: number): ModelParameter[] {
  const name = `${layer}/batch_norm`;
  return [
    { name: `${name}/scale`, rows: 1, columns, initial: drawOnes },
    { name: `${name}/shift`, rows: 1, columns, initial: drawZeros },
    { name: `${name}/mean`, rows: 1, columns, statistic: true, initial: drawZeros },
    { name: `${name}/variance`, rows: 1, columns, statistic: true, initial: drawOnes },
  ];
}

/**
 * @param parts state [events, N]: what the state gives the first layer, with its bias, the encoder's to make; counts
 *   [rows, C] and their kernel [C, N]
 * @returns [rows, 1]
 */
export function recordUtility(
  tape: ClickTape,
  items: DeviceItems,
  { dims, batchNorm: normalised }: ModelConfig,
  parts: Omit<FirstLayerInputs, "item">,
  options: RecordingOptions,
): ClickScores {
  const parameter = (name: string) => tape.parameter(`utility/${name}`);
  const item = recordItemLayer(tape, items, "utility/layer1");
  const normalise = (input: Tensor, layer: number) => {
    if (!normalised) return input;
    const of = (name: string) => parameter(`layer${layer}/batch_norm/${name}`);
    return batchNorm(tape, `utility/layer${layer}/batch_norm`, {
      input,
      scale: of("scale"),
      shift: of("shift"),
      mean: of("mean"),
      variance: of("variance"),
    }, options);
  };
  let hidden = normalise(
    firstLayer(tape, "utility/layer1", { item, ...parts }, options),
    1,
  );
  for (let layer = 2; layer <= dims.length; layer++) {
    const dense = linear(tape, `utility/layer${layer}`, {
      input: hidden,
      weights: parameter(`layer${layer}/kernel`),
      bias: parameter(`layer${layer}/bias`),
    }, { activation: "elu" });
    hidden = normalise(dense, layer);
  }
  const last = { input: hidden, weights: parameter("output/kernel"), bias: parameter("output/bias") };
  return new UnmaterializedScores(tape, "utility/output", last);
}

/** Clicks back. */
export const LAGS = defaultPwModel.pwLags;
/** Of the kernels at the start, whatever the encoder's: b starts as ones, so that they are of use at once. */
const INITIAL_SD = 0.1;

/** Before the names of its parameters. */
export const PART = "wide";
/** Of its product with the last clicks. */
export const HISTORY: ClickProductNames = {
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

export function listWideParameters(items: ItemsShape, config: ModelConfig): ModelParameter[] {
  const { wide: K } = config;
  if (!isWide(config)) return [];
  if (K === 0) return listItemKernels(items, PART, 1, drawZeros);
  const initial = makeTruncatedNormal(INITIAL_SD);
  return [
    { name: HISTORY.weights, rows: LAGS, columns: 1, initial: () => 1 / LAGS },
    { name: HISTORY.bias, rows: 1, columns: K, initial: drawOnes },
    ...listClickKernels(items, HISTORY, 1, K, initial),
    // With counts the training starts as a logit of them: the item's side gives nothing at first.
    ...listItemKernels(items, PART, K, config.counts ? drawZeros : initial),
  ];
}

/** [rows, 1]: the wide part, added to `base`: the hidden layers' utility, or a bias where there are none. */
export function recordWideUtility(
  tape: ClickTape,
  items: DeviceItems,
  config: ModelConfig,
  base: Tensor,
  { itemDropout, given }: RecordingOptions,
): Tensor {
  const state = given?.wide ?? wideState(tape, items, config);
  return itemTerm(
    tape,
    `${PART}/utility`,
    { item: recordItemLayer(tape, items, PART), state, base },
    itemDropout,
  );
}

/** [events, K]: what the history gives the wide part; undefined for a model without, and for K = 0. */
export function wideState(tape: ClickTape, items: DeviceItems, { wide: K }: ModelConfig): Tensor | undefined {
  return K > 0 ? recordClickProduct(tape, `${PART}/state_part`, items, HISTORY) : undefined;
}

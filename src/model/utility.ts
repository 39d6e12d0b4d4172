/**
 * Adds ops that compute the utility u = MLP([s ; f]) of every displayed item from its features f and the
 * user's state s. An optional wide part is added to the MLP's output, or replaces the MLP. The wide part has
 * parameters b [K], A [K, F], B [K, F], and w_lag for the item clicked `lag` clicks ago (features f_lag):
 *
 *   dot(b + A h, B f)     with h = sum over last clicks of w_lag f_lag
 *
 * The term dot(b, B f) is linear in f. The term dot(A h, B f) has a weight per pair of a clicked and a
 * displayed feature, like the crosses of a wide & deep model. The matrix of these weights is A^T B: it has
 * F x F elements, but only 2 K F parameters. With K = 0 and without hidden layers, the utility is a linear
 * function of f and does not depend on s: the model is a conditional logit.
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
 * Lists the parameters of the hidden layers (sizes `dims`), of their batch normalisation (optional), and of
 * the scalar output. The first layer's kernel [D + F, N] has D rows for the state (listed by the encoder) and
 * F rows for the item (listed here). If items have tokens (sparse features), the table of the tokens' weights
 * is listed, too. Without hidden layers, only a bias is listed.
 */
export function listUtilityParameters(
  items: ItemsShape,
  { dims, kernelSd, batchNorm, counts }: ModelConfig,
): ModelParameter[] {
  const initial = makeTruncatedNormal(kernelSd);
  // With counts, training starts from a logit of the counts, so the network's output is zero at first.
  const initialOutput = counts ? drawZeros : initial;
  const outputBias = { name: OUTPUT_BIAS, rows: 1, columns: 1, initial: drawZeros };
  const [first] = dims;
  if (first === undefined) return [outputBias];
  const parameters: ModelParameter[] = [
    ...listItemKernels(items, "utility/layer1", first, initial),
    { name: "utility/layer1/bias", rows: 1, columns: first, initial: drawZeros },
    ...(batchNorm ? listNormParameters("utility/layer1", first) : []),
  ];
  dims.slice(1).forEach((columns, k) => {
    const layer = `utility/layer${k + 2}`;
    parameters.push({ name: `${layer}/kernel`, rows: dims[k] ?? 0, columns, decays: true, initial });
    parameters.push({ name: `${layer}/bias`, rows: 1, columns, initial: drawZeros });
    if (batchNorm) parameters.push(...listNormParameters(layer, columns));
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

function listNormParameters(layer: string, columns: number): ModelParameter[] {
  const name = `${layer}/batch_norm`;
  return [
    { name: `${name}/scale`, rows: 1, columns, initial: drawOnes },
    { name: `${name}/shift`, rows: 1, columns, initial: drawZeros },
    { name: `${name}/mean`, rows: 1, columns, statistic: true, initial: drawZeros },
    { name: `${name}/variance`, rows: 1, columns, statistic: true, initial: drawOnes },
  ];
}

/**
 * Adds ops for the hidden layers and the output [rows, 1].
 * @param parts - the first layer's inputs other than items: the state's product with its weights [events, N],
 * and count features [rows, C] with their kernel [C, N]
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
    const getNorm = (name: string) => parameter(`layer${layer}/batch_norm/${name}`);
    return batchNorm(tape, `utility/layer${layer}/batch_norm`, {
      input,
      scale: getNorm("scale"),
      shift: getNorm("shift"),
      mean: getNorm("mean"),
      variance: getNorm("variance"),
    }, options);
  };
  let hidden = normalise(firstLayer(tape, "utility/layer1", { item, ...parts }, options), 1);
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

/** Number of a user's last clicks that the wide part reads. */
export const LAGS = defaultPwModel.pwLags;
/** Initial sd of the wide part's kernels. Its bias b starts at 1, so that step 1 has nonzero gradients. */
const INITIAL_SD = 0.1;

export const OUTPUT_BIAS = "utility/output/bias";
export const PART = "wide";
export const HISTORY: ClickProductNames = {
  weights: `${PART}/weights`,
  bias: `${PART}/bias`,
  kernel: `${PART}/state_kernel`,
  tokenTable: `${PART}/state_token_table`,
  state: `${PART}/state`,
  clickPart: `${PART}/click_part`,
};

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
    // With counts, training starts from a logit of the counts, so the item's kernel is zero at first.
    ...listItemKernels(items, PART, K, config.counts ? drawZeros : initial),
  ];
}

/** Adds ops for utilities: the wide part plus `base`. @param base - the hidden layers' output, or a bias */
export function recordWideUtility(
  tape: ClickTape,
  items: DeviceItems,
  config: ModelConfig,
  base: Tensor,
  { itemDropout, encoded }: RecordingOptions,
): Tensor {
  const state = encoded?.wide ?? recordWideState(tape, items, config);
  const item = recordItemLayer(tape, items, PART);
  return itemTerm(tape, `${PART}/utility`, { item, state, base }, itemDropout);
}

/** Adds ops for b + A h [events, K], the user's vector in the wide part; undefined if K is 0. */
export function recordWideState(
  tape: ClickTape,
  items: DeviceItems,
  { wide: K }: ModelConfig,
): Tensor | undefined {
  return K > 0 ? recordClickProduct(tape, `${PART}/state_part`, items, HISTORY) : undefined;
}

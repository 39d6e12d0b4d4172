/** Encodes clicks by an LSTM or weighted sums. See kernels/course/: 3-lstm.md, 8-position-weights.md. */

import type { DeviceItems } from "../batch/device_items.ts";
import { linear } from "../ops/linear.ts";
import { lstm } from "../ops/lstm.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { LstmModelConfig, PwModelConfig } from "./model_config.ts";
import { getTokenCount, type ItemsShape } from "../data/item_catalogue.ts";
import { recordItemFeatures, recordMixedFeatures } from "./item_features.ts";
import { drawZeros, makeGlorotUniform, makeTruncatedNormal, type ModelParameter } from "./initial_weights.ts";
import { UserError } from "../user_error.ts";
import { pwState } from "../ops/pw_state.ts";
import { pwTable } from "../ops/pw_table.ts";

/**
 * Lists the LSTM's parameters, as in TensorFlow's BasicLSTMCell: a kernel [F + H, 4H] (initially
 * Glorot-uniform) and a bias (initially zero), for F features, H units and the gates i, g, f, o. The kernel
 * is stored in parts: F rows for the input (if F > 0), H rows for the state, and, for items with V tokens, V
 * more rows, one per token.
 */
export function listLstmParameters(
  items: ItemsShape,
  { lstmUnits: H, dims, kernelSd }: LstmModelConfig,
): ModelParameter[] {
  const F = items.width;
  const V = getTokenCount(items);
  const initial = makeGlorotUniform((V ?? 0) + F + H, 4 * H);
  const input = { columns: 4 * H, groups: 4, decays: true, initial };
  const oneHot = items.kind === "one-hot";
  return [
    ...(F > 0 ? [{ name: LSTM.input, rows: F, table: oneHot, ...input }] : []),
    ...(V === undefined ? [] : [{ name: LSTM.tokens, rows: V, table: true, ...input }]),
    { name: LSTM.recurrent, rows: H, columns: 4 * H, groups: 4, decays: true, initial },
    { name: LSTM.bias, rows: 1, columns: 4 * H, groups: 4, initial: drawZeros },
    {
      name: "utility/layer1/state_kernel",
      rows: H,
      columns: dims[0] ?? 0,
      decays: true,
      initial: makeTruncatedNormal(kernelSd),
    },
  ];
}

export const LSTM = {
  input: "encoder/lstm/input_kernel",
  tokens: "encoder/lstm/token_table",
  recurrent: "encoder/lstm/recurrent_kernel",
  bias: "encoder/lstm/bias",
} as const;

/**
 * Adds ops for the LSTM state's term in the utility network's first layer: state * weights + bias, [events,
 * N].
 * @param recurrent - LSTM state [events, H], if it is already computed
 */
export function recordLstmState(tape: ClickTape, items: DeviceItems, recurrent?: Tensor): Tensor {
  const features = recordItemFeatures(tape, items);
  const state = recurrent ?? lstm(tape, "encoder/lstm/state", {
    features,
    inputWeights: features || !items.tokens ? tape.parameter(LSTM.input) : undefined,
    tokenTable: items.tokens && tape.parameter(LSTM.tokens),
    weights: tape.parameter(LSTM.recurrent),
    bias: tape.parameter(LSTM.bias),
  });
  return linear(tape, "utility/layer1/state_part", {
    input: state,
    weights: tape.parameter("utility/layer1/state_kernel"),
    bias: tape.parameter("utility/layer1/bias"),
  });
}

/** Initial value of all position weights, as in the paper's released code. */
const INITIAL_WEIGHT = 0.0001;

/**
 * Lists the parameters of position weights. The state consists of n weighted sums of the last clicks'
 * features, ordered by feature, then by sum. So the first layer's kernel for the state is [F * n, N], for F
 * features and N units. With one-hot features, this kernel is stored as a table [I, n * N], a row per item.
 * The state is then never computed: its term in the first layer is a weighted sum of table rows. For items
 * with V tokens and F dense features, the parameters are a table [V, n * N] and a kernel [F, n * N].
 * @throws UserError for tanh with mixed features.
 */
export function listPwParameters(items: ItemsShape, config: PwModelConfig): ModelParameter[] {
  const { pwLags: m, pwWeightings: n, pwNonlinearity, kernelSd } = config;
  const F = items.width;
  if (items.kind === "mixed" && pwNonlinearity !== "none") {
    throw new UserError(
      `Expected one-hot or dense features for position weights with ${pwNonlinearity}, got mixed features. ` +
        "Use --pw-nonlinearity none or --encoder lstm.",
    );
  }
  const bias = items.kind === "one-hot"
    ? { rows: F, columns: n, table: true, initial: drawZeros }
    : { rows: 1, columns: F * n, initial: drawZeros };
  return [
    { name: FIRST_LAYER.weights, rows: m, columns: n, initial: () => INITIAL_WEIGHT },
    ...(pwNonlinearity === "none" ? [] : [{ name: "encoder/pw/bias", ...bias }]),
    ...listClickKernels(items, FIRST_LAYER, n, config.dims[0] ?? 0, makeTruncatedNormal(kernelSd)),
  ];
}

/** Names of the tensors of a layer whose input is a weighted sum of the last clicks' features. */
export interface ClickProductNames {
  /** Position weights [m, n] of n weighted sums over the last m clicks. */
  readonly weights: string;
  /** Bias [1, N]. */
  readonly bias: string;
  readonly kernel: string;
  readonly tokenTable: string;
  readonly state: string;
  readonly clickPart: string;
}

export const FIRST_LAYER: ClickProductNames = {
  weights: "encoder/pw/weights",
  bias: "utility/layer1/bias",
  kernel: "utility/layer1/state_kernel",
  tokenTable: "utility/layer1/state_token_table",
  state: "encoder/pw/state",
  clickPart: "utility/layer1/click_part",
};

/** Lists a layer's weights for the features of clicked items: `kernel` and, for tokens, `tokenTable`. */
export function listClickKernels(
  items: ItemsShape,
  { kernel, tokenTable }: Pick<ClickProductNames, "kernel" | "tokenTable">,
  n: number,
  N: number,
  initial: ModelParameter["initial"],
): ModelParameter[] {
  const F = items.width;
  const V = getTokenCount(items);
  const byItem = { columns: n * N, groups: n, decays: true, initial };
  if (V !== undefined) {
    return [
      ...(F > 0 ? [{ name: kernel, rows: F, ...byItem }] : []),
      { name: tokenTable, rows: V, table: true, ...byItem },
    ];
  }
  return items.kind === "one-hot"
    ? [{ name: kernel, rows: F, table: true, ...byItem }]
    : [{ name: kernel, rows: F * n, columns: N, decays: true, initial }];
}

/**
 * Adds ops for s * kernel + bias [events, N], where s is a weighted sum of the last clicks' features.
 * @param itemBias - if defined, the kernel multiplies tanh(s + itemBias) instead of s
 */
export function recordClickProduct(
  tape: ClickTape,
  name: string,
  items: DeviceItems,
  names: ClickProductNames,
  itemBias?: Tensor,
): Tensor {
  const weights = tape.parameter(names.weights);
  const layerBias = tape.parameter(names.bias);
  const tables = { table: names.tokenTable, kernel: names.kernel };
  const features = recordItemFeatures(tape, items);
  // If a batch has lists of clicks, its items are the whole catalogue, so each product is computed once.
  const rows = tape.batch.clicks ? "items" : "events";
  const mixed = recordMixedFeatures(tape, names.clickPart, items, tables, rows);
  if (mixed) return pwTable(tape, name, { table: mixed, weights, layerBias });
  const kernel = tape.parameter(names.kernel);
  if (!features) return pwTable(tape, name, { table: kernel, weights, layerBias, itemBias });
  const state = pwState(tape, names.state, { features, weights, bias: itemBias });
  return linear(tape, name, { input: state, weights: kernel, bias: layerBias });
}

/** Adds ops for state * weights + bias [events, N], the clicks' term in the utility network's first layer. */
export function recordPwState(tape: ClickTape, items: DeviceItems, config: PwModelConfig): Tensor {
  const bias = config.pwNonlinearity === "tanh" ? tape.parameter("encoder/pw/bias") : undefined;
  return recordClickProduct(tape, "utility/layer1/state_part", items, FIRST_LAYER, bias);
}

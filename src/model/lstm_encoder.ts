/** The LSTM encoder: from the items clicked so far to the state before each event. See kernels/course/3-lstm.md. */

import type { DeviceItems } from "../batch/device_items.ts";
import { linear } from "../ops/linear.ts";
import { lstm } from "../ops/lstm.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { LstmModelConfig } from "./config.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { itemFeatures, tokenCount } from "./item_features.ts";
import { glorotUniform, type ModelParameter, truncatedNormal, zeros } from "./initial_weights.ts";

/**
 * TensorFlow's BasicLSTMCell: one Glorot-uniform kernel [F + H, 4H], here in two parts, gates i, g, f, o; bias 0. With
 * mixed features [V + F + H, 4H] in three, the first a table of the tokens; the second is left out when F = 0.
 */
export function lstmParameters(
  items: ItemsShape,
  { lstmUnits: H, dims, kernelSd }: LstmModelConfig,
): ModelParameter[] {
  const F = items.width;
  const V = tokenCount(items);
  const initial = glorotUniform((V ?? 0) + F + H, 4 * H);
  const input = { columns: 4 * H, groups: 4, decays: true, initial };
  const oneHot = items.kind === "one-hot";
  return [
    ...(F > 0 ? [{ name: LSTM.input, rows: F, table: oneHot, ...input }] : []),
    ...(V === undefined ? [] : [{ name: LSTM.tokens, rows: V, table: true, ...input }]),
    { name: LSTM.recurrent, rows: H, columns: 4 * H, groups: 4, decays: true, initial },
    { name: LSTM.bias, rows: 1, columns: 4 * H, groups: 4, initial: zeros },
    {
      name: "utility/layer1/state_kernel",
      rows: H,
      columns: dims[0] ?? 0,
      decays: true,
      initial: truncatedNormal(kernelSd),
    },
  ];
}

/** The names of the encoder's parameters. */
export const LSTM = {
  input: "encoder/lstm/input_kernel",
  tokens: "encoder/lstm/token_table",
  recurrent: "encoder/lstm/recurrent_kernel",
  bias: "encoder/lstm/bias",
} as const;

/** [events, N]: the state's part of the first layer, with its bias. @param carried [events, H] a state that is there. */
export function lstmStatePart(tape: ClickTape, items: DeviceItems, carried?: Tensor): Tensor {
  const features = itemFeatures(tape, items);
  const state = carried ?? lstm(tape, "encoder/lstm/state", {
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

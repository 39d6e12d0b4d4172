/** The LSTM encoder: from the items clicked so far to the state before each event. user-model section 2. */

import type { DeviceItems } from "../batch/device_log.ts";
import { linear } from "../ops/linear.ts";
import { lstm } from "../ops/lstm.ts";
import type { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { LstmModelConfig } from "./config.ts";
import { itemFeatures, type ItemsShape } from "./item_features.ts";
import { glorotUniform, type ModelParameter, truncatedNormal, zeros } from "./initial_weights.ts";

/** TensorFlow's BasicLSTMCell: one Glorot-uniform kernel [F + H, 4H], here in two parts, gates i, g, f, o; bias 0. */
export function lstmParameters(
  items: ItemsShape,
  { lstmUnits: H, dims, kernelSd }: LstmModelConfig,
): ModelParameter[] {
  const F = items.width;
  const initial = glorotUniform(F + H, 4 * H);
  const oneHot = items.kind === "one-hot";
  return [
    {
      name: "encoder/lstm/input_kernel",
      rows: F,
      columns: 4 * H,
      groups: 4,
      table: oneHot,
      decays: true,
      initial,
    },
    { name: "encoder/lstm/recurrent_kernel", rows: H, columns: 4 * H, groups: 4, decays: true, initial },
    { name: "encoder/lstm/bias", rows: 1, columns: 4 * H, groups: 4, initial: zeros },
    {
      name: "utility/layer1/state_kernel",
      rows: H,
      columns: dims[0] ?? 0,
      decays: true,
      initial: truncatedNormal(kernelSd),
    },
  ];
}

/** [events, N]: the state's part of the first layer, with its bias. */
export function lstmStatePart(tape: Tape, items: DeviceItems): Tensor {
  const state = lstm(tape, "encoder/lstm/state", {
    features: itemFeatures(tape, items),
    inputWeights: tape.parameter("encoder/lstm/input_kernel"),
    weights: tape.parameter("encoder/lstm/recurrent_kernel"),
    bias: tape.parameter("encoder/lstm/bias"),
  });
  return linear(tape, "utility/layer1/state_part", {
    input: state,
    weights: tape.parameter("utility/layer1/state_kernel"),
    bias: tape.parameter("utility/layer1/bias"),
  });
}

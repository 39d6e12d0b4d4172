/** The utility u = MLP([s ; f]) of every displayed row. user-model section 3. */

import type { DeviceItems } from "../batch/device_log.ts";
import { firstLayer } from "../ops/first_layer.ts";
import { linear } from "../ops/linear.ts";
import { rowDot } from "../ops/row_dot.ts";
import type { Tape } from "../tape/tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { itemFeatures, type ItemsShape } from "./item_features.ts";
import { type ModelParameter, truncatedNormal, zeros } from "./initial_weights.ts";

/**
 * Hidden layers of `dims`, ELU after each, and a linear scalar. The first kernel [D + F, N] stands in two parts, one
 * for the state (size D) and one for the item.
 */
export function utilityParameters(
  items: ItemsShape,
  { dims }: ModelConfig,
  stateSize: number,
): ModelParameter[] {
  const initial = truncatedNormal(0.1);
  const first = dims[0] ?? 0;
  const table = items.kind === "one-hot";
  const parameters: ModelParameter[] = [
    { name: "utility/layer1/state_kernel", rows: stateSize, columns: first, initial },
    { name: "utility/layer1/item_kernel", rows: items.width, columns: first, table, initial },
    { name: "utility/layer1/bias", rows: 1, columns: first, initial: zeros },
  ];
  dims.slice(1).forEach((columns, k) => {
    const layer = `utility/layer${k + 2}`;
    parameters.push({ name: `${layer}/kernel`, rows: dims[k] ?? 0, columns, initial });
    parameters.push({ name: `${layer}/bias`, rows: 1, columns, initial: zeros });
  });
  parameters.push({ name: "utility/output/kernel", rows: 1, columns: dims.at(-1) ?? 0, initial });
  parameters.push({ name: "utility/output/bias", rows: 1, columns: 1, initial: zeros });
  return parameters;
}

/** [rows, 1]. @param state [events, D] */
export function utility(tape: Tape, items: DeviceItems, { dims }: ModelConfig, state: Tensor): Tensor {
  const parameter = (name: string) => tape.parameter(`utility/${name}`);
  const kernel = parameter("layer1/item_kernel");
  const features = itemFeatures(tape, items);
  const item = features
    ? linear(tape, "utility/layer1/item_part", { input: features, weights: kernel }, {
      gather: "distinct items",
    })
    : kernel;
  const statePart = linear(tape, "utility/layer1/state_part", {
    input: state,
    weights: parameter("layer1/state_kernel"),
    bias: parameter("layer1/bias"),
  });
  let hidden = firstLayer(tape, "utility/layer1", { item, state: statePart });
  for (let layer = 2; layer <= dims.length; layer++) {
    hidden = linear(tape, `utility/layer${layer}`, {
      input: hidden,
      weights: parameter(`layer${layer}/kernel`),
      bias: parameter(`layer${layer}/bias`),
    }, { elu: true });
  }
  const weights = parameter("output/kernel");
  return rowDot(tape, "utility/output", { input: hidden, weights, bias: parameter("output/bias") });
}

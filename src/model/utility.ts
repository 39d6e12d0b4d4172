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
import type { ModelOutput, RecordOptions } from "./model_program.ts";

/**
 * Hidden layers of `dims`, ELU after each, and a linear scalar. The first kernel [D + F, N] stands in two parts: the
 * item's here, the state's with the encoder.
 */
export function utilityParameters(
  items: ItemsShape,
  { dims, kernelSd }: ModelConfig,
): ModelParameter[] {
  const initial = truncatedNormal(kernelSd);
  const first = dims[0] ?? 0;
  const table = items.kind === "one-hot";
  const parameters: ModelParameter[] = [
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

/**
 * @param statePart [events, N] what the state gives the first layer, with its bias; the encoder's to make
 * @param options.fused whoever takes the output makes it himself: {@link rowDot}
 */
export function utility(
  tape: Tape,
  items: DeviceItems,
  { dims }: ModelConfig,
  statePart: Tensor,
  options: RecordOptions & { fused?: boolean },
): ModelOutput {
  const parameter = (name: string) => tape.parameter(`utility/${name}`);
  const kernel = parameter("layer1/item_kernel");
  const features = itemFeatures(tape, items);
  const item = features
    ? linear(tape, "utility/layer1/item_part", { input: features, weights: kernel }, {
      gather: "distinct items",
    })
    : kernel;
  let hidden = firstLayer(tape, "utility/layer1", { item, state: statePart }, options);
  for (let layer = 2; layer <= dims.length; layer++) {
    hidden = linear(tape, `utility/layer${layer}`, {
      input: hidden,
      weights: parameter(`layer${layer}/kernel`),
      bias: parameter(`layer${layer}/bias`),
    }, { elu: true });
  }
  const last = { input: hidden, weights: parameter("output/kernel"), bias: parameter("output/bias") };
  return { utilities: rowDot(tape, "utility/output", last, options), last };
}

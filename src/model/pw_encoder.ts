/** The position-weights encoder: the last clicks under learned weightings. See kernels/course/8-position-weights.md. */

import type { DeviceItems } from "../batch/device_items.ts";
import { UserError } from "../user_error.ts";
import { linear } from "../ops/linear.ts";
import { pwState } from "../ops/pw_state.ts";
import { pwTable } from "../ops/pw_table.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { PwModelConfig } from "./config.ts";
import { type ModelParameter, truncatedNormal, zeros } from "./initial_weights.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { itemFeatures, mixedPart, tokenCount } from "./item_features.ts";

/** As the released code draws them. */
const INITIAL_WEIGHT = 0.0001;

/**
 * The state has a component for every feature k and weighting j, at k n + j, so the first layer's kernel for it is
 * [F n, N]. With one-hot features it stands as a table [I, n N] with the same values in the same order, and the state
 * is never made: what it would give the first layer is a weighted sum of the table's rows. With mixed features it is not
 * made, either: each click is looked up in the product of its item with a table [V, n N] and a kernel [F, n N].
 * @throws UserError for tanh with mixed features.
 */
export function pwParameters(items: ItemsShape, config: PwModelConfig): ModelParameter[] {
  const { pwLags: m, pwWeightings: n, pwNonlinearity, kernelSd } = config;
  const F = items.width;
  const N = config.dims[0] ?? 0;
  const oneHot = items.kind === "one-hot";
  const V = tokenCount(items);
  const initial = truncatedNormal(kernelSd);
  const name = "utility/layer1/state_kernel";
  const biasName = "encoder/pw/bias";
  const own = { name: "encoder/pw/weights", rows: m, columns: n, initial: () => INITIAL_WEIGHT };
  if (V !== undefined) {
    if (pwNonlinearity !== "none") {
      throw new UserError(
        `Expected one-hot or dense features for position weights with ${pwNonlinearity}, got mixed ones. ` +
          "Use --pw-nonlinearity none or --encoder lstm.",
      );
    }
    const state = { columns: n * N, groups: n, decays: true, initial };
    return [
      own,
      ...(F > 0 ? [{ name, rows: F, ...state }] : []),
      { name: "utility/layer1/state_token_table", rows: V, table: true, ...state },
    ];
  }
  return [
    own,
    ...(pwNonlinearity === "none" ? [] : [
      oneHot
        ? { name: biasName, rows: F, columns: n, table: true, initial: zeros }
        : { name: biasName, rows: 1, columns: F * n, initial: zeros },
    ]),
    oneHot
      ? { name, rows: F, columns: n * N, groups: n, table: true, decays: true, initial }
      : { name, rows: F * n, columns: N, decays: true, initial },
  ];
}

/** [events, N]: the state's part of the first layer, with its bias. */
export function pwStatePart(tape: ClickTape, items: DeviceItems, config: PwModelConfig): Tensor {
  const weights = tape.parameter("encoder/pw/weights");
  const layerBias = tape.parameter("utility/layer1/bias");
  const names = { table: "utility/layer1/state_token_table", kernel: "utility/layer1/state_kernel" };
  const bias = config.pwNonlinearity === "tanh" ? tape.parameter("encoder/pw/bias") : undefined;
  const features = itemFeatures(tape, items);
  const name = "utility/layer1/state_part";
  const mixed = mixedPart(tape, "utility/layer1/click_part", items, names, "events");
  if (mixed) return pwTable(tape, name, { table: mixed, weights, layerBias });
  const kernel = tape.parameter(names.kernel);
  if (!features) return pwTable(tape, name, { table: kernel, weights, layerBias, itemBias: bias });
  const state = pwState(tape, "encoder/pw/state", { features, weights, bias });
  return linear(tape, name, { input: state, weights: kernel, bias: layerBias });
}

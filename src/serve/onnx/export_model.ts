/** Exports a model to ONNX, with the inputs and outputs of user_graph.ts. */

import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import { nonFiniteWeightsError } from "../../model/choice_probabilities.ts";
import type { ModelConfig } from "../../model/model_config.ts";
import { readPositionEffects } from "../../model/position_effect.ts";
import { checkWeights, listModelParameters } from "../../model/user_model.ts";
import { HISTORY, isWide, LAGS, PART } from "../../model/utility.ts";
import { batchNormConstants } from "../../ops/batch_norm.ts";
import type { Weights } from "../../tape/parameters.ts";
import { addCountsLayer, addDisplayedCounts, addLinearPart, LARGEST_LOG } from "./onnx_counts.ts";
import type { EncoderInputs } from "./onnx_encoders.ts";
import { addClickProduct, addEmptyState, addLstmState, addPwState, foldItems } from "./onnx_encoders.ts";
import type { ContextFeature } from "../../data/manifest.ts";
import { boundContextFeatures } from "./onnx_context.ts";
import { COUNTED, FLOAT, type GraphBuilder, type TensorName } from "./graph_builder.ts";
import { encodeGraph, startGraph } from "./user_graph.ts";

const LARGEST_FLOAT = 2 ** 127;

export interface ExportedModel {
  readonly config: ModelConfig;
  readonly catalogue: ItemCatalogue;
  readonly weights: Weights;
  /** Context features of the model's data set, in the order of the data set. */
  readonly context?: readonly ContextFeature[] | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Encodes a model as an ONNX file. @throws UserError if the file is too large, or if values may overflow. */
export function exportModel(
  { config, catalogue, weights, context = [], metadata }: ExportedModel,
): Uint8Array {
  checkWeights(listModelParameters(catalogue.shape, config), weights);
  const { graph, history, clicks } = startGraph();
  const features = config.counts?.rowFeatures === undefined ? [] : context;
  const optional = (name: string) => weights.get(name) as Float32Array<ArrayBuffer> | undefined;
  const weight = (name: string) => {
    const values = optional(name);
    if (!values) throw new Error(`the model has no ${name}`);
    return values;
  };
  const tensor = (name: string, ...dims: readonly number[]) => graph.tensor(name, dims, weight(name));
  const inputs: EncoderInputs = { graph, catalogue, weight, tensor, optional, history, clicks };
  const utilities = utility(inputs, config, features);
  const effects = readPositionEffects(weights);
  const largest = (effects ?? []).reduce((most, effect) => Math.max(most, Math.abs(effect)), 0);
  if (!(boundValues(graph, boundContextFeatures(features)) + largest < LARGEST_FLOAT)) {
    throw nonFiniteWeightsError("some that may overflow");
  }
  return encodeGraph({ graph, utilities, ...config, effects, catalogue, features, metadata });
}

/**
 * Returns an upper bound of the absolute values in the graph: the largest input times one factor per tensor.
 * A table's factor is 1 + its largest absolute value. Any other tensor's factor is 1 + the largest sum of
 * absolute values in one of its columns.
 */
function boundValues({ nodes, initializers }: GraphBuilder, largestFeature: number): number {
  const tables = new Set(nodes.filter(({ opType }) => opType === "Gather").map(({ input }) => input[0]));
  // Count features are logarithms of floats, so they have an upper bound.
  let bound = Math.max(
    largestFeature,
    initializers.some(({ name }) => name.startsWith(COUNTED)) ? LARGEST_LOG : 1,
  );
  for (const { name, dims, dataType, rawData: { buffer, byteOffset, length } } of initializers) {
    if (dataType !== FLOAT || name.startsWith(COUNTED)) continue;
    const values = new Float32Array(buffer, byteOffset, length / 4);
    const sums = new Float64Array(dims.at(-1) ?? 1);
    const isTable = tables.has(name);
    for (let k = 0; k < values.length; k++) {
      const [column, size] = [k % sums.length, Math.abs(values[k] ?? NaN)];
      const before = sums[column] ?? NaN;
      sums[column] = isTable ? Math.max(before, size) : before + size;
    }
    bound *= 1 + sums.reduce((most, sum) => Math.max(most, sum), 0);
  }
  return bound;
}

/** Adds nodes for utilities [users, items, 1] of a page. Empty positions (-1) get the value of item 0. */
function utility(
  inputs: EncoderInputs,
  config: ModelConfig,
  features: readonly ContextFeature[],
): TensorName {
  const { graph, tensor } = inputs;
  const bias = tensor("utility/output/bias", 1);
  const counts = config.counts ? addDisplayedCounts(inputs, config.counts, features) : undefined;
  const parts = [
    ...(config.dims.length > 0 ? [hiddenLayers(inputs, config, state(inputs, config), counts)] : []),
    ...(isWide(config) ? [widePart(inputs, config)] : []),
    ...(counts ? [addLinearPart(inputs, counts)] : []),
  ];
  return parts.reduce((sum, part) => graph.op("Add", [part, sum]), bias);
}

function state(inputs: EncoderInputs, config: ModelConfig): TensorName {
  switch (config.encoder) {
    case "lstm":
      return addLstmState(inputs, config);
    case "pw":
      return addPwState(inputs, config);
    case "none":
      return addEmptyState(inputs, config);
  }
}

/** Adds nodes [users, items, columns]: the displayed items' features, multiplied by a layer's weights. */
function displayed(inputs: EncoderInputs, part: string, columns: number): TensorName {
  const { graph, catalogue } = inputs;
  const items = foldItems(inputs, `${part}/item_kernel`, `${part}/token_table`, columns);
  return graph.op("Gather", [
    graph.tensor(`${part}/item_table`, [catalogue.shape.count, columns], items),
    graph.op("Max", ["page", [0]]),
  ]);
}

function widePart(inputs: EncoderInputs, { wide: K }: ModelConfig): TensorName {
  const { graph } = inputs;
  if (K === 0) return displayed(inputs, PART, 1);
  const clicked = addClickProduct(inputs, HISTORY, { m: LAGS, n: 1, N: K });
  const crossed = graph.op("Mul", [displayed(inputs, PART, K), graph.unsqueeze(clicked, 1)]);
  return graph.op("ReduceSum", [crossed, [2]], { keepdims: 1 });
}

function hiddenLayers(
  inputs: EncoderInputs,
  config: ModelConfig,
  state: TensorName,
  counts: TensorName | undefined,
): TensorName {
  const { graph, weight, tensor } = inputs;
  const { dims } = config;
  const item = displayed(inputs, "utility/layer1", dims[0] ?? 0);
  let hidden = graph.op("Add", [item, graph.unsqueeze(state, 1)]);
  if (counts) hidden = graph.op("Add", [hidden, addCountsLayer(inputs, counts, dims[0] ?? 0)]);
  hidden = normalised(graph, config, weight, graph.op("Elu", [hidden]), 1);
  for (let layer = 2; layer <= dims.length; layer++) {
    const [rows, columns] = [dims[layer - 2] ?? 0, dims[layer - 1] ?? 0];
    const product = graph.op("MatMul", [hidden, tensor(`utility/layer${layer}/kernel`, rows, columns)]);
    const biased = graph.op("Add", [product, tensor(`utility/layer${layer}/bias`, columns)]);
    hidden = normalised(graph, config, weight, graph.op("Elu", [biased]), layer);
  }
  return graph.op("MatMul", [hidden, tensor("utility/output/kernel", dims.at(-1) ?? 0, 1)]);
}

/** Adds batch normalisation by running averages, as one factor and one offset per column. */
function normalised(
  graph: GraphBuilder,
  { batchNorm, dims }: ModelConfig,
  weight: EncoderInputs["weight"],
  input: TensorName,
  layer: number,
): TensorName {
  if (!batchNorm) return input;
  const columns = dims[layer - 1] ?? 0;
  const name = `utility/layer${layer}/batch_norm`;
  const [scale, shift, mean, variance] = ["scale", "shift", "mean", "variance"].map((of) =>
    weight(`${name}/${of}`)
  );
  const factors = Array.from(
    { length: columns },
    (_, c) => (scale?.[c] ?? NaN) / Math.sqrt((variance?.[c] ?? NaN) + batchNormConstants.EPSILON),
  );
  const shifts = factors.map((factor, c) => (shift?.[c] ?? NaN) - factor * (mean?.[c] ?? NaN));
  const factor = graph.tensor(`${name}/factor`, [columns], Float32Array.from(factors));
  const scaled = graph.op("Mul", [input, factor]);
  return graph.op("Add", [scaled, graph.tensor(`${name}/shift`, [columns], Float32Array.from(shifts))]);
}

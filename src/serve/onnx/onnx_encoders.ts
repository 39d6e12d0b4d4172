/** Adds encoders to an ONNX graph. An encoder computes a term [users, N] of the first layer from clicks. */

import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import type { LstmModelConfig, ModelConfig, PwModelConfig } from "../../model/model_config.ts";
import { type ClickProductNames, FIRST_LAYER } from "../../model/encoders.ts";
import { formatThousands } from "../../number_text.ts";
import { UserError } from "../../user_error.ts";
import { FLOAT, type GraphBuilder, INT32, type TensorName } from "./graph_builder.ts";

/** Inputs of the functions that add an encoder to `graph`. */
export interface EncoderInputs {
  readonly graph: GraphBuilder;
  readonly catalogue: ItemCatalogue;
  /** Returns a weight of the model. @throws Error for an unknown name. */
  readonly weight: (name: string) => Float32Array<ArrayBuffer>;
  /** Adds a weight of the model to the file. @returns the name of the tensor. */
  readonly tensor: (name: string, ...dims: readonly number[]) => TensorName;
  readonly optional: (name: string) => Float32Array<ArrayBuffer> | undefined;
  /** [users, clicks + 1] item numbers of a user's clicks, oldest first; -1 after the latest click. */
  readonly history: TensorName;
  readonly clicks: TensorName;
}

/** For each LSTM gate in ONNX's order (i, o, f, c), its index in our order (i, g, f, o). ONNX c is our g. */
const GATES = [0, 3, 2, 1] as const;

/**
 * Adds the LSTM. A table has the products of all items' features and the input weights. The inputs of ONNX's
 * op LSTM are rows of this table, so the op's input weights are the identity matrix.
 */
export function addLstmState(inputs: EncoderInputs, { lstmUnits: H, dims }: LstmModelConfig): TensorName {
  const { graph, weight, tensor, history, clicks } = inputs;
  const columns = 4 * H;
  const N = dims[0] ?? 0;
  const products = foldItems(inputs, "encoder/lstm/input_kernel", "encoder/lstm/token_table", columns);
  const recurrent = weight("encoder/lstm/recurrent_kernel");
  const bias = weight("encoder/lstm/bias");
  /** Converts a column index of ONNX's weights to a column index of our weights. */
  const ours = (place: number) => (GATES[Math.floor(place / H)] ?? 0) * H + place % H;
  const table = Float32Array.from(products, (_, k) => {
    const column = k % columns;
    return products[k - column + ours(column)] ?? 0;
  });
  const R = Float32Array.from(
    { length: columns * H },
    (_, k) => recurrent[(k % H) * columns + ours(Math.floor(k / H))] ?? 0,
  );
  const B = Float32Array.from({ length: 2 * columns }, (_, k) => {
    const forget = Math.floor(k / H) === 2 ? 1 : 0; // our forget gate adds 1, as TensorFlow does
    return k < columns ? (bias[ours(k)] ?? 0) + forget : 0;
  });
  const identity = Float32Array.from(
    { length: columns * columns },
    (_, k) => k % (columns + 1) === 0 ? 1 : 0,
  );
  const fed = graph.op("Gather", [
    graph.tensor("encoder/lstm/click_table", [table.length / columns, columns], table),
    graph.op("Max", [history, [0]]),
  ]);
  const state = graph.op(
    "LSTM",
    [
      graph.op("Transpose", [fed], { perm: [1, 0, 2] }),
      graph.tensor("encoder/lstm/identity", [1, columns, columns], identity),
      graph.tensor("encoder/lstm/recurrent", [1, columns, H], R),
      graph.tensor("encoder/lstm/bias", [1, 2 * columns], B),
      graph.cast(clicks, INT32),
    ],
    { hidden_size: H },
    ["", "lstm_state"],
  );
  // Set the state of a user without clicks to 0: runtimes differ for an empty sequence.
  const some = graph.unsqueeze(graph.op("Greater", [clicks, [0]]), 1);
  const kept = graph.op("Where", [some, graph.op("Squeeze", [state, [0]]), 0]);
  return addBias(inputs, graph.op("MatMul", [kept, tensor("utility/layer1/state_kernel", H, N)]), N);
}

function addBias(
  { graph, tensor }: EncoderInputs,
  product: TensorName,
  N: number,
  bias = LAYER_BIAS,
): TensorName {
  return graph.op("Add", [product, tensor(bias, N)]);
}
const LAYER_BIAS = "utility/layer1/bias";

export function addEmptyState({ tensor }: EncoderInputs, { dims }: ModelConfig): TensorName {
  return tensor(LAYER_BIAS, 1, dims[0] ?? 0);
}

/** Adds nodes [users, N]: bias + weighted sum of (item features x kernel) over the last m clicks. */
export function addClickProduct(
  inputs: EncoderInputs,
  names: ClickProductNames,
  { m, n, N }: { m: number; n: number; N: number },
): TensorName {
  const { graph, catalogue, tensor } = inputs;
  const last = addLastClicks(inputs, m);
  const weights = graph.op("Mul", [tensor(names.weights, m, n), last.there]);
  // The matrices [F n, N] and [F, n N] have the same memory layout.
  const table = foldItems(inputs, names.kernel, names.tokenTable, n * N);
  const rows = graph.tensor(names.clickPart, [catalogue.shape.count, n, N], table);
  return weightedRows(inputs, rows, last.item, weights, { N, bias: names.bias });
}

/** Adds `item` [users, m], the last clicked items, latest first. `there` [users, m, 1] is 0 for padding. */
export function addLastClicks(
  { graph, history, clicks }: EncoderInputs,
  m: number,
): { item: TensorName; there: TensorName } {
  const lags = Array.from({ length: m }, (_, lag) => lag + 1);
  const place = graph.op("Sub", [graph.unsqueeze(clicks, 1), lags]);
  const item = graph.op("GatherElements", [history, graph.op("Max", [place, [0]])], { axis: 1 });
  const there = graph.cast(graph.op("GreaterOrEqual", [place, [0]]), FLOAT);
  return { item: graph.op("Max", [item, [0]]), there: graph.unsqueeze(there, 2) };
}

/** Adds the position-weights encoder: weighted sums of the last m clicks, times the first layer's kernel. */
export function addPwState(inputs: EncoderInputs, config: PwModelConfig): TensorName {
  const { graph, catalogue, weight, tensor } = inputs;
  const { pwLags: m, pwWeightings: n, pwNonlinearity } = config;
  const N = config.dims[0] ?? 0;
  const { kind } = catalogue.shape;
  if (pwNonlinearity === "none") return addClickProduct(inputs, FIRST_LAYER, { m, n, N });
  const last = addLastClicks(inputs, m);
  const weights = graph.op("Mul", [tensor("encoder/pw/weights", m, n), last.there]);
  if (kind === "dense") return tanhOfDense(inputs, config, last.item, weights);
  const table = weight(FIRST_LAYER.kernel);
  const rows = graph.tensor("utility/layer1/click_table", [catalogue.shape.count, n, N], table);
  const { delta, base } = tanhOfOneHot(inputs, config, { ...last, weights, table });
  const product = weightedRows(inputs, rows, last.item, delta, { N });
  return graph.op("Add", [product, graph.tensor("encoder/pw/base", [N], base)]);
}

/** Adds nodes [users, N]: bias + sum over k < m and j < n of weights[user, k, j] * rows[item[user, k], j]. */
function weightedRows(
  inputs: EncoderInputs,
  rows: TensorName,
  item: TensorName,
  weights: TensorName,
  { N, bias }: { N: number; bias?: string },
): TensorName {
  const { graph } = inputs;
  const own = graph.op("Gather", [rows, item]);
  const product = graph.op("Mul", [own, graph.unsqueeze(weights, 3)]);
  return addBias(inputs, graph.op("ReduceSum", [product, [1, 2]], { keepdims: 0 }), N, bias);
}

/** Adds nodes for tanh(bias + weighted sums of the last clicks' features), times the first layer's kernel. */
function tanhOfDense(
  inputs: EncoderInputs,
  config: PwModelConfig,
  item: TensorName,
  weights: TensorName,
): TensorName {
  const { graph, catalogue, tensor } = inputs;
  const { pwWeightings: n } = config;
  const { count, width: F } = catalogue.shape;
  const N = config.dims[0] ?? 0;
  const items = catalogue.read(Uint32Array.from({ length: count }, (_, k) => k));
  if (items.kind !== "dense") throw new Error("expected a catalogue of dense features");
  const features = graph.op("Gather", [graph.tensor("items/features", [count, F], items.values), item]);
  const sums = graph.op("MatMul", [graph.op("Transpose", [features], { perm: [0, 2, 1] }), weights]);
  const state = graph.op("Tanh", [
    graph.op("Add", [graph.op("Reshape", [sums, [-1, F * n]]), tensor("encoder/pw/bias", F * n)]),
  ]);
  return addBias(inputs, graph.op("MatMul", [state, tensor("utility/layer1/state_kernel", F * n, N)]), N);
}

/**
 * Adds the position-weights encoder with tanh for one-hot items. If w is the sum of the weights of the user's
 * clicks on an item, the item's component of the state is tanh(w + bias). Without clicks the state is
 * tanh(bias); `base` is the product of this state and the kernel. `delta` [users, m, n] is tanh(w + bias) -
 * tanh(bias) for the latest click on an item, and 0 for earlier clicks on the same item.
 */
function tanhOfOneHot(
  { graph, weight, tensor, catalogue }: EncoderInputs,
  { pwLags: m, pwWeightings: n, dims }: PwModelConfig,
  { item, there, weights, table }: {
    item: TensorName;
    there: TensorName;
    weights: TensorName;
    table: Float32Array;
  },
): { delta: TensorName; base: Float32Array<ArrayBuffer> } {
  const N = dims[0] ?? 0;
  const bias = weight("encoder/pw/bias");
  const base = new Float64Array(N);
  table.forEach((value, k) =>
    base[k % N] = (base[k % N] ?? 0) + Math.tanh(bias[Math.floor(k / N)] ?? 0) * value
  );
  const alike = graph.op("Equal", [graph.unsqueeze(item, 2), graph.unsqueeze(item, 1)]);
  const same = graph.op("Mul", [
    graph.cast(alike, FLOAT),
    graph.op("Transpose", [there], { perm: [0, 2, 1] }),
  ]);
  const earlier = Float32Array.from({ length: m * m }, (_, k) => k % m < Math.floor(k / m) ? 1 : 0);
  const before = graph.op("ReduceSum", [
    graph.op("Mul", [same, graph.tensor("encoder/pw/earlier", [m, m], earlier)]),
    [2],
  ]);
  const first = graph.cast(graph.op("Less", [before, 0.5]), FLOAT);
  const own = graph.op("Gather", [tensor("encoder/pw/bias", catalogue.shape.count, n), item]);
  const moved = graph.op("Tanh", [graph.op("Add", [graph.op("MatMul", [same, weights]), own])]);
  const change = graph.op("Sub", [moved, graph.op("Tanh", [own])]);
  return { delta: graph.op("Mul", [change, graph.op("Mul", [first, there])]), base: Float32Array.from(base) };
}

const ITEMS = 2 ** 14;

/**
 * Computes the product [I, C] of item features and weights in float64.
 * @param kernelName - weights [F, C] of dense features, or [I, C] of one-hot items
 * @param tokensName - weights [V, C] of the tokens
 */
export function foldItems(
  { catalogue, optional }: Pick<EncoderInputs, "catalogue" | "optional">,
  kernelName: string,
  tokensName: string,
  columns: number,
): Float32Array<ArrayBuffer> {
  const [kernel, tokens] = [optional(kernelName), optional(tokensName)];
  const { kind, count } = catalogue.shape;
  if (kind === "one-hot") return kernel ?? new Float32Array(count * columns);
  expectFits(catalogue, 4 * count * columns);
  const folded = new Float32Array(count * columns);
  const sum = new Float64Array(columns);
  for (let first = 0; first < count; first += ITEMS) {
    const ids = Uint32Array.from({ length: Math.min(ITEMS, count - first) }, (_, k) => first + k);
    const items = catalogue.read(ids);
    if (items.kind === "one-hot") throw new Error("expected a catalogue with item features");
    const { width, values } = items;
    for (let k = 0; k < ids.length; k++) {
      sum.fill(0);
      for (let f = 0; f < width; f++) {
        addRow(sum, kernel, f, values[k * width + f] ?? 0);
      }
      if (items.kind === "mixed") {
        const { first: from, token } = items.tokens;
        for (let p = from[k] ?? 0; p < (from[k + 1] ?? 0); p++) addRow(sum, tokens, token[p] ?? 0, 1);
      }
      folded.set(sum, (first + k) * columns);
    }
  }
  return folded;
}

/** Largest total size of all tables in bytes. A protobuf message must be smaller than 2 GiB. */
const MOST_BYTES = 2 ** 31 - 2 ** 20;

/** Checks the size of a table before it is computed. @throws UserError if too large for an ONNX file. */
export function expectFits({ shape: { count } }: ItemCatalogue, bytes: number): void {
  if (bytes <= MOST_BYTES) return;
  throw new UserError(
    `The model's tables for ${formatThousands(count)} items have at least ${
      formatThousands(bytes)
    } bytes, but ` +
      `an ONNX file has at most ${
        formatThousands(MOST_BYTES)
      }. Export a model with smaller layers or fewer items.`,
  );
}

function addRow(sum: Float64Array, table: Float32Array | undefined, row: number, factor: number): void {
  if (!table) return;
  const start = row * sum.length;
  for (let c = 0; c < sum.length; c++) sum[c] = (sum[c] ?? 0) + factor * (table[start + c] ?? 0);
}

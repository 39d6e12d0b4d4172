/** Exports a baseline to ONNX, with the inputs and outputs of user_graph.ts. */

import { type ClickPairs, forEachItemTokens, isIn, type TokenField } from "../../counts/train_counts.ts";
import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import type { FittedFormula } from "../../metrics/baselines/baselines.ts";
import { FLOAT, type GraphBuilder, INT64, type TensorName } from "./graph_builder.ts";
import { addLogLift, type LiftInputs, logOfNext, ofItems } from "./onnx_counts.ts";
import { expectFits } from "./onnx_encoders.ts";
import { addColumnIndices, encodeGraph, startGraph } from "./user_graph.ts";

export interface ExportedBaseline {
  readonly baseline: FittedFormula;
  readonly catalogue: ItemCatalogue;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Returns the bytes of an ONNX file. @throws UserError if the baseline's tables are too large for a file */
export function exportBaseline({ baseline, catalogue, metadata }: ExportedBaseline): Uint8Array {
  const { graph, history, clicks } = startGraph();
  const page = graph.op("Max", ["page", [0]]);
  const there = graph.cast(graph.op("GreaterOrEqual", [history, [0]]), FLOAT);
  const items = catalogue.shape.count;
  const inputs = { graph, items, page, recent: graph.op("Max", [history, [0]]), there, history, clicks };
  const { offset, slope } = baseline.scale;
  const scaled = graph.op("Mul", [addLogScore(inputs, catalogue, baseline), slope]);
  const utilities = graph.op("Add", [scaled, offset]);
  return encodeGraph({ graph, utilities, eta: 1, loss: "choice", catalogue, metadata });
}

interface BaselineInputs extends LiftInputs {
  /** [users, clicks + 1] item numbers of a user's clicks, oldest first; -1 after the latest click. */
  readonly history: TensorName;
  /** [users] number of clicks. */
  readonly clicks: TensorName;
}

/** Adds nodes for the logarithms [users, items, 1] of a baseline's scores. */
function addLogScore(
  inputs: BaselineInputs,
  catalogue: ItemCatalogue,
  { formula, rates }: FittedFormula,
): TensorName {
  const { graph } = inputs;
  const rate = ofItems(inputs, "rate", (item) => Math.log(rates[item] ?? NaN));
  switch (formula.name) {
    case "random":
      return graph.op("Mul", [rate, 0]);
    case "clickRate":
      return rate;
    case "lastClick":
      return addLastClick(inputs, rate, formula.clicks);
    case "categoryRate":
      return formula.fields.reduce((sum, field, k) => {
        const { shares, prior } = formula;
        const tokens = listFieldTokens(catalogue, field, shares);
        return graph.op("Add", [sum, addLogLift(inputs, `category_${k + 1}`, tokens, prior)]);
      }, rate);
    case "itemKnn": {
      const { weight } = formula;
      const mean = addSimilarity(inputs, catalogue, formula);
      return weight < Infinity
        ? graph.op("Add", [rate, logOfNext(graph, graph.op("Mul", [mean, weight]))])
        : graph.op("Where", [graph.op("Greater", [mean, 0]), logOfNext(graph, mean), rate]);
    }
  }
}

/** Adds log(1 + index of an item's latest click), or `rate` for items not in the last `recent` clicks. */
function addLastClick(
  { graph, page, history, clicks }: BaselineInputs,
  rate: TensorName,
  recent: number,
): TensorName {
  const same = graph.op("Equal", [graph.unsqueeze(page, 2), graph.unsqueeze(history, 1)]);
  const number = graph.op("Add", [addColumnIndices(graph, history), [1]]);
  const numbers = graph.op("Mul", [graph.cast(same, INT64), number]);
  const latest = graph.op("ReduceMax", [numbers], { axes: [2], keepdims: 1 });
  const after = graph.op("Sub", [graph.unsqueeze(clicks, 1, 2), latest]);
  const isRecent = graph.op("And", [
    graph.op("Greater", [latest, [0]]),
    graph.op("Less", [after, [Math.min(recent, 2 ** 31)]]),
  ]);
  return graph.op("Where", [isRecent, graph.op("Log", [graph.cast(latest, FLOAT)]), rate]);
}

function listFieldTokens(catalogue: ItemCatalogue, field: TokenField, shares: Float64Array) {
  const tokens: { value: number; share: number }[][] = [];
  forEachItemTokens(catalogue, (item, all) => {
    const own = Array.from(all.filter((token) => isIn(field, token)));
    tokens[item] = own.map((token) => ({ value: token - field.first, share: shares[token] ?? NaN }));
  });
  const slots = tokens.reduce((most, own) => Math.max(most, own.length), 1);
  expectFits(catalogue, 12 * slots * tokens.length);
  return { count: field.count, slots, listTokens: (item: number) => tokens[item] ?? [] };
}

/** Adds nodes for each displayed item's mean similarity to the distinct items that a user clicked last. */
function addSimilarity(
  inputs: BaselineInputs,
  catalogue: ItemCatalogue,
  { clicks: most, again, neighbours }: { clicks: number; again: boolean; neighbours: ClickPairs },
): TensorName {
  const { graph, page, items } = inputs;
  const { item, there } = addLatestDistinct(inputs, most);
  const [one, other] = [graph.unsqueeze(page, 2), graph.unsqueeze(item, 1)];
  const key = graph.op("Add", [
    graph.op("Mul", [graph.op("Min", [one, other]), [items]]),
    graph.op("Max", [one, other]),
  ]);
  const similar = addPairs(graph, catalogue, key, neighbours);
  const same = graph.cast(graph.op("Equal", [one, other]), FLOAT);
  const each = again ? graph.op("Add", [similar, same]) : similar;
  const sum = graph.op("ReduceSum", [graph.op("Mul", [each, graph.unsqueeze(there, 1)]), [2]]);
  const count = graph.unsqueeze(graph.op("ReduceSum", [there, [1]]), 2);
  return graph.op("Div", [sum, graph.op("Max", [count, 1])]);
}

/** Adds nodes [users, most] for the latest distinct clicked items. `there` is 0 for padding, otherwise 1. */
function addLatestDistinct(
  { graph, history }: BaselineInputs,
  most: number,
): { item: TensorName; there: TensorName } {
  // The matrix has at least `most` columns, because TopK cannot return more elements than there are.
  const users = graph.op("Concat", [graph.op("Shape", [history], { start: 0, end: 1 }), [most]], { axis: 0 });
  const padded = graph.op("Concat", [history, graph.op("Expand", [[-1], users])], { axis: 1 });
  const index = addColumnIndices(graph, padded);
  const same = graph.op("Equal", [graph.unsqueeze(padded, 2), graph.unsqueeze(padded, 1)]);
  const isLater = graph.op("Less", [graph.unsqueeze(index, 1), index]);
  const again = graph.cast(graph.op("And", [same, isLater]), INT64);
  const repeated = graph.op("ReduceMax", [again], { axes: [2], keepdims: 0 });
  const isLatest = graph.op("And", [
    graph.op("Equal", [repeated, [0]]),
    graph.op("GreaterOrEqual", [padded, [0]]),
  ]);
  const number = graph.op("Mul", [graph.cast(isLatest, INT64), graph.op("Add", [index, [1]])]);
  const numbers = graph.op("TopK", [number, [most]], { axis: 1 }, ["latest", "latest_place"]);
  const item = graph.op("GatherElements", [padded, numbers], { axis: 1 });
  const there = graph.cast(graph.op("Greater", ["latest", [0]]), FLOAT);
  return { item: graph.op("Max", [item, [0]]), there };
}

/** Sentinel after the sorted keys of item pairs: larger than each of these keys. */
const LAST_KEY = 2n ** 62n;

/** Adds a binary search for the similarity of items a <= b (0 if not found). @param key - a * items + b */
function addPairs(
  graph: GraphBuilder,
  catalogue: ItemCatalogue,
  key: TensorName,
  { pairs, users }: ClickPairs,
): TensorName {
  expectFits(catalogue, 12 * pairs.size);
  const found: [number, number][] = [];
  pairs.forEach((a, b, both) => {
    const similarity = both / Math.sqrt((users[a] ?? 0) * (users[b] ?? 0));
    found.push([a * catalogue.shape.count + b, similarity]);
  });
  found.sort(([a], [b]) => a - b);
  const keys = BigInt64Array.from([...found.map(([key]) => BigInt(key)), LAST_KEY]);
  const size = keys.length;
  const table = graph.tensor("pairs/keys", [size], keys);
  const values = graph.tensor(
    "pairs/similarity",
    [size],
    Float32Array.from([...found.map(([, of]) => of), 0]),
  );
  let place = graph.op("Mul", [key, [0]]);
  for (let step = 2 ** Math.floor(Math.log2(size)); step >= 1; step /= 2) {
    const next = graph.op("Min", [graph.op("Add", [place, [step]]), [size - 1]]);
    const isBefore = graph.op("LessOrEqual", [graph.op("Gather", [table, next]), key]);
    place = graph.op("Where", [isBefore, next, place]);
  }
  const isFound = graph.op("Equal", [graph.op("Gather", [table, place]), key]);
  return graph.op("Where", [isFound, graph.op("Gather", [values, place]), 0]);
}

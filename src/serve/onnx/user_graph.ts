/** Inputs (item numbers) and outputs (utilities and click probabilities) of all exported ONNX files. */

import type { ItemCatalogue } from "../../data/item_catalogue.ts";
import type { ContextFeature } from "../../data/manifest.ts";
import type { ModelConfig } from "../../model/model_config.ts";
import { POSITION_BIAS } from "../../model/position_effect.ts";
import { FLOAT, GraphBuilder, INT64, makeValueInfo, type TensorName } from "./graph_builder.ts";
import { describeContextInputs } from "./onnx_context.ts";
import { expectFits } from "./onnx_encoders.ts";

/**
 * Starts the graph of an export. `history` [users, clicks + 1] has the clicked items, and -1 in the last
 * column, so that no history is empty. `clicks` [users] has each user's number of clicks.
 */
export function startGraph(): { graph: GraphBuilder; history: TensorName; clicks: TensorName } {
  const graph = new GraphBuilder();
  const users = graph.op("Shape", ["history"], { start: 0, end: 1 });
  const column = graph.op("Concat", [users, [1]], { axis: 0 });
  const history = graph.op("Concat", ["history", graph.op("Expand", [[-1], column])], { axis: 1 });
  const clicks = graph.op("ReduceSum", [
    graph.cast(graph.op("GreaterOrEqual", ["history", [0]]), INT64),
    [1],
  ], { keepdims: 0 });
  return { graph, history, clicks };
}

interface UserGraph extends Pick<ModelConfig, "eta" | "loss"> {
  readonly graph: GraphBuilder;
  /** [users, items, 1] utilities of the displayed items. Values at empty positions are ignored. */
  readonly utilities: TensorName;
  /** Utility offset of each position on a page. */
  readonly effects?: readonly number[] | undefined;
  readonly catalogue: ItemCatalogue;
  readonly features?: readonly ContextFeature[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Adds the outputs, and returns the bytes of the file. @throws UserError if the file is too large */
export function encodeGraph(own: UserGraph): Uint8Array {
  const { graph, catalogue, features = [], metadata } = own;
  addOutputs(own);
  const bytes = graph.initializers.reduce((sum, { rawData }) => sum + rawData.length, 0);
  expectFits(catalogue, bytes);
  const clicked = "clicked items from the oldest to the latest, then -1";
  return graph.encode({
    docString: "Utilities and click probabilities of the items on a page, given the user's earlier clicks.",
    input: [
      makeValueInfo("history", INT64, ["users", "clicks"], clicked),
      makeValueInfo("page", INT64, ["users", "items"], "displayed items, -1 at empty positions"),
      ...describeContextInputs(features),
    ],
    output: [
      makeValueInfo("utilities", FLOAT, ["users", "items"], "utility of each item, or -infinity"),
      makeValueInfo("probabilities", FLOAT, ["users", "items"], "probability of a click on each item"),
      makeValueInfo("no_click", FLOAT, ["users"], "probability of no click"),
    ],
    metadata,
  });
}

function addOutputs({ graph, eta, loss, utilities: of, effects }: UserGraph): void {
  const shown = graph.op("GreaterOrEqual", ["page", [0]]);
  const flat = graph.op("Squeeze", [of, [2]]);
  const utilities = graph.op("Where", [shown, flat, -Infinity], {}, ["utilities"]);
  const placed = effects ? graph.op("Add", [utilities, effectsOnPage(graph, effects)]) : utilities;
  const exponents = graph.op("Mul", [placed, eta]);
  if (loss === "logistic") {
    const clicked = graph.op("Sigmoid", [exponents], {}, ["probabilities"]);
    const none = graph.op("Sub", [1, clicked]);
    graph.op("ReduceProd", [none], { axes: [1], keepdims: 0 }, ["no_click"]);
    return;
  }
  const users = graph.op("Concat", [graph.op("Shape", ["page"], { start: 0, end: 1 }), [1]], { axis: 0 });
  const zeros = graph.op("Expand", [0, users]);
  const all = graph.op("Softmax", [graph.op("Concat", [zeros, exponents], { axis: 1 })], { axis: 1 });
  graph.op("Slice", [all, [1], [2 ** 31], [1]], {}, ["probabilities"]);
  graph.op("Squeeze", [graph.op("Slice", [all, [0], [1], [1]]), [1]], {}, ["no_click"]);
}

/** Adds nodes for the column indices 0, 1, ... of a matrix. */
export function addColumnIndices(graph: GraphBuilder, matrix: TensorName): TensorName {
  const ones = graph.op("Expand", [[1], graph.op("Shape", [matrix], { start: 1, end: 2 })]);
  return graph.op("Squeeze", [graph.op("NonZero", [ones]), [0]]);
}

function effectsOnPage(graph: GraphBuilder, effects: readonly number[]): TensorName {
  const positions = graph.op("Min", [addColumnIndices(graph, "page"), [effects.length - 1]]);
  return graph.op("Gather", [
    graph.tensor(POSITION_BIAS, [effects.length], Float32Array.from(effects)),
    positions,
  ]);
}

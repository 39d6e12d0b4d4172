/**
 * Adds the context features of a data set to an ONNX graph. Each context column is an input of the graph.
 * Numbers and dates are floats: a date is an age in days, and an unknown value is NaN. A category
 * is the index of its value in a list, with -1 for a value outside of the list.
 */

import { type ContextFeature, listContextColumns, type NumberTransform } from "../../data/manifest.ts";
import { COUNTED, FLOAT, type GraphBuilder, INT64, makeValueInfo, type TensorName } from "./graph_builder.ts";

/** Describes the inputs of the graph: [users, items] for impression columns, [users] for page columns. */
export function describeContextInputs(features: readonly ContextFeature[]) {
  return listContextColumns(features).map(({ kind, column, type, values }) =>
    makeValueInfo(
      formatInput(kind, column),
      type === "category" ? INT64 : FLOAT,
      kind === "page" ? ["users"] : ["users", "items"],
      type === "category"
        ? `index of the value of ${column} in ${JSON.stringify(values)}, or -1`
        : `${type === "age" ? `age in days by ${column}` : column}, NaN if unknown`,
    )
  );
}

function formatInput(kind: ContextFeature["kind"], column: string): TensorName {
  return `${kind}.${column}`;
}

/** Adds a node [users, items, 1] for each context feature. @param zero - zeros [users, items, 1] */
export function addContextFeatures(
  graph: GraphBuilder,
  features: readonly ContextFeature[],
  zero: TensorName,
): TensorName[] {
  const columns = new Map(listContextColumns(features).map((own) => [own.column, own]));
  return features.map(({ kind, transform }, k) => {
    const input = formatInput(kind, transform.column);
    const index = (value: string) => columns.get(transform.column)?.values.indexOf(value) ?? -1;
    const flags = transform.of === "value"
      ? graph.op("Equal", [input, [index(transform.value)]])
      : graph.op("Not", [graph.op("IsNaN", [input])]);
    const value = graph.cast(flags, FLOAT);
    const feature = transform.of === "number" || transform.of === "age"
      ? graph.op("Mul", [value, standardised(graph, input, transform, k)])
      : value;
    return graph.op("Add", [zero, graph.unsqueeze(feature, ...(kind === "page" ? [1, 2] : [2]))]);
  });
}

function standardised(
  graph: GraphBuilder,
  input: TensorName,
  { log, mean, sd, low, high }: NumberTransform,
  k: number,
): TensorName {
  const constant = (name: string, value: number) =>
    graph.tensor(`${COUNTED}context/${k}/${name}`, [], Float32Array.of(value));
  const known = graph.op("Where", [graph.op("IsNaN", [input]), constant("low", low), input]);
  const clipped = graph.op("Max", [
    graph.op("Min", [known, constant("high", high)]),
    constant("lowest", low),
  ]);
  const scaled = log === null ? clipped : graph.op("Mul", [
    graph.op("Sign", [clipped]),
    graph.op("Log", [
      graph.op("Add", [graph.op("Div", [graph.op("Abs", [clipped]), constant("log", log)]), 1]),
    ]),
  ]);
  return graph.op("Div", [graph.op("Sub", [scaled, constant("mean", mean)]), constant("sd", sd)]);
}

/** Returns the largest absolute value that a context feature can have. */
export function boundContextFeatures(features: readonly ContextFeature[]): number {
  return features.reduce((most, { transform }) => {
    if (transform.of !== "number" && transform.of !== "age") return Math.max(most, 1);
    const { log, mean, sd, low, high } = transform;
    const scale = (x: number) => log === null ? x : Math.sign(x) * Math.log(1 + Math.abs(x) / log);
    return Math.max(most, ...[low, high].map((x) => Math.abs((scale(x) - mean) / sd)));
  }, 0);
}

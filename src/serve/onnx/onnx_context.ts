/**
 * Adds a data set's context features to an ONNX graph. Each context column is an input of the graph. A column of numbers, or of
 * dates as ages in days, has floats, and NaN for an unknown value. A column of categories has indices of its values, and -1 for an
 * unknown or other value.
 */

import type { ContextFeature, NumberTransform } from "../../data/manifest.ts";
import { COUNTED, FLOAT, type GraphBuilder, INT64, makeValueInfo, type TensorName } from "./graph_builder.ts";

/** A context column as an input of the graph. */
interface ContextInput {
  readonly name: TensorName;
  readonly column: string;
  readonly kind: ContextFeature["kind"];
  /** Values of a category in the order of their indices; undefined for numbers and ages. */
  readonly values: readonly string[] | undefined;
  readonly isAge: boolean;
}

export function listContextInputs(features: readonly ContextFeature[]): ContextInput[] {
  return [...Map.groupBy(features, ({ transform }) => transform.column)].map(([column, own]) => {
    const kind = own[0]?.kind ?? "page";
    const values = own.flatMap(({ transform }) => transform.of === "value" ? [transform.value] : []);
    const isAge = own.some(({ transform }) => transform.of === "age");
    return { name: `${kind}.${column}`, column, kind, isAge, values: values.length > 0 ? values : undefined };
  });
}

/** Describes the inputs of the graph: [users, items] for impressions, [users] for pages. */
export function describeContextInputs(features: readonly ContextFeature[]) {
  return listContextInputs(features).map(({ name, column, kind, values, isAge }) =>
    makeValueInfo(
      name,
      values ? INT64 : FLOAT,
      kind === "page" ? ["users"] : ["users", "items"],
      values
        ? `index of the value of ${column} in ${JSON.stringify(values)}, or -1`
        : `${isAge ? `age in days by ${column}` : column}, NaN where unknown`,
    )
  );
}

/** Adds the context features, one tensor [users, items, 1] per feature. @param zero - zeros [users, items, 1] */
export function addContextFeatures(
  graph: GraphBuilder,
  features: readonly ContextFeature[],
  zero: TensorName,
): TensorName[] {
  const inputs = listContextInputs(features);
  return features.map(({ kind, transform }, k) => {
    const input = inputs.find(({ column }) => column === transform.column);
    if (!input) throw new Error(`expected an input for ${transform.column}`);
    const value = transform.of === "value"
      ? toFloat(graph, graph.op("Equal", [input.name, [input.values?.indexOf(transform.value) ?? -1]]))
      : toFloat(graph, graph.op("Not", [graph.op("IsNaN", [input.name])]));
    const feature = transform.of === "number" || transform.of === "age"
      ? graph.op("Mul", [value, standardised(graph, input.name, transform, k)])
      : value;
    return graph.op("Add", [zero, graph.op("Unsqueeze", [feature, kind === "page" ? [1, 2] : [2]])]);
  });
}

function toFloat(graph: GraphBuilder, flags: TensorName): TensorName {
  return graph.op("Cast", [flags], { to: FLOAT });
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

/** Returns the largest absolute value of a context feature. */
export function boundContextFeatures(features: readonly ContextFeature[]): number {
  return features.reduce((most, { transform }) => {
    if (transform.of !== "number" && transform.of !== "age") return Math.max(most, 1);
    const { log, mean, sd, low, high } = transform;
    const scale = (x: number) => log === null ? x : Math.sign(x) * Math.log(1 + Math.abs(x) / log);
    return Math.max(most, ...[low, high].map((x) => Math.abs((scale(x) - mean) / sd)));
  }, 0);
}

/** What a tape computes, in f64 by the references of its nodes. */

import type { Sizes } from "../gpu/sizes.ts";
import type { Node } from "../tape/node.ts";
import { at, type Matrix, matrix } from "../tape/reference.ts";
import type { Tensor } from "../tape/tensor.ts";

/** By the names of tensors. */
export type Matrices = Map<string, Matrix>;

/** @throws Error where there is none. */
export function valueOf(values: Matrices, { name }: Pick<Tensor, "name">): Matrix {
  const value = values.get(name);
  if (!value) throw new Error(`expected a value of ${name}`);
  return value;
}

/**
 * The gradients of all tensors by what the last node, a loss, gives.
 * @param values of what the nodes read; those of their outputs are added
 */
export function gradients64<S extends Sizes, R>(
  nodes: readonly Node<S, R>[],
  values: Matrices,
  batch: R,
): Matrices {
  const done = nodes.map((node) => {
    const result = node.reference(node.inputs.map((input) => valueOf(values, input)), batch);
    values.set(node.output.name, result.output);
    return { node, ...result };
  });
  const gradients: Matrices = new Map();
  for (const { node, output, backward } of done.reverse()) {
    // That of a loss is not read.
    const own = gradients.get(node.output.name) ?? matrix(output.rows, output.columns);
    backward(own).forEach((gradient, i) => {
      const name = node.inputs[i]?.name ?? "";
      const before = gradients.get(name);
      gradients.set(name, before ? sum(before, gradient) : gradient);
    });
  }
  return gradients;
}

function sum(one: Matrix, other: Matrix): Matrix {
  return matrix(other.rows, other.columns, (r, c) => at(one, r, c) + at(other, r, c));
}

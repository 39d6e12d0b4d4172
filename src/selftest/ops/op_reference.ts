/** What an op gives in f64 by its reference: the output and all gradients. */

import type { ClickSizes } from "../../batch/click_sizes.ts";
import type { ReferenceBatch } from "../../batch/reference_batch.ts";
import type { Node } from "../../tape/node.ts";
import { type Matrix, matrix } from "../../tape/reference.ts";
import type { OpBench, RecordedOp } from "./op_bench.ts";
import type { OpCase } from "./op_case.ts";
import { type Matrices, valueOf } from "../tape_reference.ts";

/** What an op is differentiated on, for who holds the reference itself against something. */
export interface ReferenceRun {
  readonly node: Node<ClickSizes, ReferenceBatch>;
  readonly inputs: readonly Matrix[];
  readonly output: Matrix;
  readonly gradients: readonly Matrix[];
  /** What the gradients are of, as a function of the inputs. */
  readonly loss: (inputs: readonly Matrix[]) => number;
}

/**
 * Runs the reference of an op.
 * @param values of leaves and parameters; those of what comes before the op are added
 * @param outputGradient of an op that is no loss and has a gradient
 */
export function runReference(
  { loss, forwardOnly }: OpCase,
  { tape, batch64 }: OpBench,
  { node, outputs }: RecordedOp,
  values: Matrices,
  outputGradient: Matrix | undefined,
): ReferenceRun {
  const inputsOf = ({ inputs }: ReferenceRun["node"]) => inputs.map((t) => valueOf(values, t));
  for (const before of tape.nodes.slice(0, -1)) {
    if (outputs.includes(before.output)) continue;
    values.set(before.output.name, before.reference(inputsOf(before), batch64).output);
  }
  const inputs = inputsOf(node);
  const { output, backward } = node.reference(inputs, batch64);
  const weights = outputGradient ?? matrix(output.rows, output.columns);
  return {
    ...{ node, inputs, output },
    gradients: forwardOnly ? [] : backward(weights),
    loss: (values) => {
      const { output } = node.reference(values, batch64);
      if (loss) return loss(output, values);
      return output.data.reduce((sum, y, k) => sum + y * (weights.data[k] ?? 0), 0);
    },
  };
}

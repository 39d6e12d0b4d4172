/** first_layer: ELU(item part + state part), the first hidden layer of a row from its two factored products. */

import embeddingText from "../../kernels/embedding_gradient.wgsl" with { type: "text" };
import forwardText from "../../kernels/first_layer_forward.wgsl" with { type: "text" };
import segmentText from "../../kernels/segment_sum.wgsl" with { type: "text" };
import { kernel } from "../gpu/kernel.ts";
import type { DispatchSpec, View } from "../gpu/program.ts";
import { type BatchSizes, sizeIndex } from "../gpu/step.ts";
import { add, at, elu, matrix, type Reference, throughElu } from "../tape/reference.ts";
import { type Call, expectShape, type GradientTarget, type Tape } from "../tape/tape.ts";
import { shapeText, type Tensor } from "../tape/tensor.ts";

const forwardKernel = kernel("first_layer_forward", forwardText);
const segmentKernel = kernel("segment_sum", segmentText);
const embeddingKernel = kernel("embedding_gradient", embeddingText);

export interface FirstLayerInputs {
  /** [items, N]: a row per distinct item of the batch; or a table parameter [I, N] with one-hot features */
  readonly item: Tensor;
  /** [events, N] */
  readonly state: Tensor;
}

/** [rows, N]. About 2 R N flops and R N exponentials. @throws Error for shapes that do not fit. */
export function firstLayer(tape: Tape, name: string, { item, state }: FirstLayerInputs): Tensor {
  const oneHot = isTable(item);
  if (!oneHot) expectShape("first_layer", item, "items", state.columns);
  expectShape("first_layer", state, "events", item.columns);
  const output = tape.tensor(name, "rows", state.columns, { activation: "elu" });
  const N4 = output.stride / 4;

  const forward = (call: Call): DispatchSpec[] => [{
    kernel: forwardKernel,
    label: `${name} forward`,
    constants: { N4 },
    views: {
      item: item.view,
      state: state.view,
      row: call.batch.row,
      row_item: call.batch.rowItem,
      output: output.view,
    },
    invocations: (s) => [s.rows * N4],
    cost: (s) => ({ flops: 3 * s.rows * output.columns, bytes: 48 * s.rows * N4 }),
  }];

  const backward = (call: Call): DispatchSpec[] => {
    const { batch } = call;
    const source = call.outputGradient();
    const specs: DispatchSpec[] = [];
    const cost = (s: BatchSizes) => ({ flops: s.rows * output.columns, bytes: 16 * s.rows * N4 });
    const segments = (
      of: Tensor,
      size: "events" | "items",
      first: View,
      ordered: boolean,
      target: GradientTarget,
    ) =>
      specs.push({
        kernel: segmentKernel,
        label: `${name} gradient of ${of.name}`,
        constants: {
          N4,
          SEGMENTS: sizeIndex[size],
          ORDERED: ordered,
          FIRST_STRIDE: size === "events" ? 4 : 1,
          ACCUMULATE: target.accumulate,
        },
        views: { source, first, order: batch.sorted, output: target.view },
        invocations: (s) => [s[size] * N4],
        cost,
      });
    const stateTarget = call.gradient(state);
    if (stateTarget) segments(state, "events", batch.event, false, stateTarget);
    const itemTarget = call.gradient(item);
    if (itemTarget && oneHot) specs.push(embeddingGradient(call, item, source, itemTarget, false));
    else if (itemTarget) segments(item, "items", batch.slotFirst, true, itemTarget);
    return specs;
  };

  return tape.record({
    op: "first_layer",
    inputs: [item, state],
    output,
    forward,
    backward,
    reference: reference(oneHot),
  });
}

/** Whether a tensor is a table with a row per item of the catalogue. @throws Error for a table that is none. */
export function isTable(tensor: Tensor): boolean {
  if (typeof tensor.rows !== "number") return false;
  if (!tensor.parameter?.table) throw new Error(`expected ${shapeText(tensor)} to be a table parameter`);
  return true;
}

/** The dispatch for the gradient of a table of embeddings. @param fed source has a row per event, not per row. */
export function embeddingGradient(
  call: Call,
  table: Tensor,
  source: View,
  target: GradientTarget,
  fed: boolean,
): DispatchSpec {
  const { ranked, slotFirst, sorted, row } = call.batch;
  const N4 = table.stride / 4;
  const items = Number(table.rows);
  return {
    kernel: embeddingKernel,
    label: `${call.label} gradient of ${table.name}`,
    constants: { N4, ITEMS: items, FED: fed, ACCUMULATE: target.accumulate },
    views: { source, ranked, slot_first: slotFirst, sorted, row, output: target.view },
    invocations: () => [items * N4],
    cost: (s) => {
      const read = fed ? s.events : s.rows;
      return { flops: read * table.columns, bytes: 16 * (read + items) * N4 };
    },
  };
}

function reference(oneHot: boolean): Reference {
  return ([item, state], batch) => {
    if (!item || !state) throw new Error("first_layer: expected an item and a state part");
    const place = (r: number) => (oneHot ? batch.rows[r]?.item : batch.rowSlot[r]) ?? 0;
    const event = (r: number) => batch.rows[r]?.event ?? 0;
    const output = matrix(
      batch.rows.length,
      item.columns,
      (r, j) => elu(at(item, place(r), j) + at(state, event(r), j)),
    );
    return {
      output,
      backward(gradient) {
        const dz = throughElu(output, gradient);
        const dItem = matrix(item.rows, item.columns);
        const dState = matrix(state.rows, state.columns);
        for (let r = 0; r < dz.rows; r++) {
          for (let j = 0; j < dz.columns; j++) {
            add(dItem, place(r), j, at(dz, r, j));
            add(dState, event(r), j, at(dz, r, j));
          }
        }
        return [dItem, dState];
      },
    };
  };
}

/** slate_value: the values of given slates, one a position, or one an item and one without a click; with gradients. */

import backwardText from "../../../kernels/slate_value_backward.wgsl" with { type: "text" };
import forwardText from "../../../kernels/slate_value_forward.wgsl" with { type: "text" };
import { NONE } from "../../data/click_log.ts";
import { type Constants, kernel } from "../../gpu/kernel.ts";
import { bufferOf, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import { weightGradient } from "../../ops/linear.ts";
import { type Call, partialViews } from "../../tape/node.ts";
import { add, at, type Matrix, matrix, type Reference } from "../../tape/reference.ts";
import type { Tape } from "../../tape/tape.ts";
import { padded, type Tensor } from "../../tape/tensor.ts";
import type { QCopy, QNetwork, QState } from "./q_network.ts";
import { basesOf, columnsOf, itemKernel, productsOf, type QShape, valuesOf, widthOf } from "./q_shape.ts";
import { rowsIndex, rowsOf, type SlateRows } from "./slate_rows.ts";

const forwardKernel = kernel("slate_value_forward", forwardText);
const backwardKernel = kernel("slate_value_backward", backwardText);

/** What the f64 reference reads of a batch: the slates, a row each. */
export interface SlateBatch {
  readonly slates: readonly (readonly number[])[];
}

/** In the order of the kernel's `struct Slot`. */
const slotFields = [
  "slate",
  "position",
  "baseStride4",
  "baseAt4",
  "bias4",
  "tableStride4",
  "tableAt4",
  "chosenAt4",
  "laterAt4",
  "later4",
  "output4",
  "qStride",
  "valueStride",
  "valueAt",
  "zeroAt",
] as const;
type Slot = Readonly<Record<typeof slotFields[number], number>>;

/** How the kernels work through a network of this shape. */
function slotOf(network: QNetwork, position: number, qStride: number): Slot {
  const { shape } = network;
  const { kind, slate, units, zero } = shape;
  const units4 = units / 4;
  const cascade = kind === "cascade";
  const later = position + 1 === slate || kind === "item" ? 0 : cascade ? slate - position - 1 : 1;
  return {
    slate,
    position,
    baseStride4: basesOf(shape) * units4,
    baseAt4: cascade ? position * units4 : 0,
    bias4: kind === "shared" ? network.first4("position/bias") + position * units4 : NONE,
    tableStride4: widthOf(shape, position) / 4,
    tableAt4: 0,
    chosenAt4: units4,
    laterAt4: cascade ? (position + 1) * units4 : 0,
    later4: later * units4,
    output4: network.first4("output/kernel") + (cascade ? position * units4 : 0),
    qStride,
    valueStride: padded(valuesOf(shape)),
    valueAt: kind === "item" ? 0 : position,
    zeroAt: zero ? 1 : NONE,
  };
}

export interface SlateValueInputs {
  readonly copy: QCopy;
  readonly state: QState;
  /** [R, k] u32 */
  readonly slates: View;
  /** [I, G], a constant */
  readonly itemVectors: Tensor;
}

/**
 * [R, columns] the values of slates: Q^j of the first j + 1 items, or of each item, and then of no click. It reads the tables
 * of its copy and changes the bases. Gradients flow only through the weights that are trained.
 */
export function slateValue<S extends Sizes, R extends SlateBatch>(
  tape: Tape<S, R>,
  rows: SlateRows<S>,
  network: QNetwork,
  { copy, state, slates, itemVectors }: SlateValueInputs,
): Tensor {
  const { shape } = network;
  const { slate, units, kind } = shape;
  const { bases, values } = state;
  const most = rowsOf(rows);
  if (most % 64 !== 0) throw new Error(`slate_value: expected a multiple of 64 rows, got ${most}`);
  const name = `${copy} values of slates`;
  const trainable = copy === "online";
  const output = tape.tensor(name, rows.rows, columnsOf(shape), { trainable });
  const weights = network.parameter("output/kernel", copy);
  const bias = kind === "shared" ? network.parameter("position/bias", copy) : undefined;
  const products = Array.from(
    { length: productsOf(shape) },
    (_, m) => network.parameter(itemKernel(m), copy),
  );
  const hidden = tape.saved(`${name} hidden`, rows.rows, slate * units);
  const slots = rows.arena.allocate(`${name} slots`, 4 * most * slate);
  /** The items in slot m of all rows. */
  const slotItems = (m: number): View => ({ buffer: slots.buffer, offset: 4 * most * m, size: 4 * most });

  const forward = (call: Call<S>): DispatchSpec<S>[] =>
    Array.from({ length: slate }, (_, position) => {
      const place = slotOf(network, position, output.stride);
      const table = network.tables[copy][kind === "cascade" ? position : 0];
      if (!table) throw new Error(`there is no table of position ${position}`);
      return {
        kernel: forwardKernel,
        label: `${name} ${position + 1}`,
        constants: { M: rowsIndex(rows), L4: units / 4 },
        views: {
          ...{ table, weights: network.weights(copy), slates, values: bufferOf(values.view) },
          ...{ bases: bufferOf(bases.view), q: output.view, hidden, slot_item: slotItems(position) },
          place: call.upload(`slot ${position + 1}`, Uint32Array.from(slotFields, (field) => place[field])),
        },
        invocations: (s) => [rowsOf(rows, s)],
        cost: (s) => ({
          flops: rowsOf(rows, s) * (4 * units + 4 * place.later4),
          bytes: 4 * rowsOf(rows, s) * (4 * units + 12 * place.later4),
        }),
      };
    });

  return tape.record({
    op: "slate_value",
    inputs: [bases, values, itemVectors, weights, ...products, ...(bias ? [bias] : [])],
    output,
    forward,
    backward: (call) =>
      backward(call, rows, network, {
        state,
        itemVectors,
        weights,
        bias,
        products,
        hidden,
        slotItems,
        output,
      }),
    reference: slateValueReference(shape),
  });
}

interface Backward {
  readonly state: QState;
  readonly itemVectors: Tensor;
  readonly weights: Tensor;
  readonly bias: Tensor | undefined;
  readonly products: readonly Tensor[];
  readonly hidden: View;
  readonly slotItems: (slot: number) => View;
  readonly output: Tensor;
}

function backward<S extends Sizes>(
  call: Call<S>,
  rows: SlateRows<S>,
  { shape }: QNetwork,
  b: Backward,
): DispatchSpec<S>[] {
  const { slate, units, kind, zero } = shape;
  const { bases, values } = b.state;
  const [toBases, toValues] = [call.gradient(bases), call.gradient(values)];
  if (!toBases || !toValues || toBases.accumulate || toValues.accumulate) {
    throw new Error("slate_value: expected the state's parts to be trained, and to have no other use");
  }
  const most = rowsOf(rows);
  const widths = Array.from({ length: slate }, (_, slot) => widthOf(shape, slot));
  const firsts = widths.map((_, slot) =>
    4 * most * widths.slice(0, slot).reduce((sum, width) => sum + width, 0)
  );
  const all = widths.reduce((sum, width) => sum + width, 0);
  const parts = rows.arena.allocate(`${call.label} gradients of parts`, 4 * most * all);
  const constants: Constants = {
    M: rowsIndex(rows),
    L4: units / 4,
    SLATE: slate,
    MOST: most,
    Q_STRIDE: b.output.stride,
    VALUE_STRIDE: values.stride,
    OUTPUT4: bufferOf(b.weights.view).offset / 16,
    SHARED: kind !== "cascade",
    CHOSEN: kind !== "item",
    ZERO: zero ?? false,
    BIAS: b.bias !== undefined,
  };
  const toWeights = call.partials(b.weights);
  const toBias = b.bias && call.partials(b.bias);
  const { buffer } = bufferOf(b.weights.view);
  return [
    {
      kernel: backwardKernel,
      label: `${call.label} gradients`,
      constants,
      views: {
        q_gradient: call.outputGradient(),
        hidden: b.hidden,
        weights: { buffer, offset: 0, size: buffer.size },
        base_gradient: toBases.view,
        values_gradient: toValues.view,
        parts,
        ...partialViews(call, toWeights, { bias: toBias }),
      },
      invocations: (s) => [units / 4, call.dimensions.chunks(s)],
      cost: (s) => ({
        flops: 6 * rowsOf(rows, s) * slate * units,
        bytes: 4 * rowsOf(rows, s) * (2 * slate * units + all),
      }),
    },
    ...widths.map((width, slot): DispatchSpec<S> => {
      const weights = b.products[kind === "cascade" ? slot : 0];
      if (!weights) throw new Error(`there is no product of slot ${slot}`);
      return weightGradient(call, {
        input: b.itemVectors,
        weights,
        bias: undefined,
        rows: rows.rows,
        gather: { index: b.slotItems(slot) },
        outputGradient: { buffer: parts.buffer, offset: firsts[slot] ?? NaN, size: 4 * most * width },
      });
    }),
  ];
}

/** The same in f64: inputs bases, values, item vectors, output weights, products, bias of positions. */
function slateValueReference({ kind, slate, units, zero }: QShape): Reference<SlateBatch> {
  const cascade = kind === "cascade";
  return ([bases, values, vectors, output, ...rest], { slates }) => {
    if (!bases || !values || !vectors || !output) throw new Error("slate_value: inputs are missing");
    const products = rest.slice(0, cascade ? slate : 1);
    const bias = rest[products.length];
    /** Each product that goes into a unit of position j: which weights, which of their columns, which slot's item. */
    const terms = (j: number, n: number) =>
      Array.from({ length: j + 1 }, (_, m) => m).filter((m) => m === j || kind !== "item").map((m) => ({
        m,
        product: cascade ? m : 0,
        column: n + units * (cascade ? j - m : m < j ? 1 : 0),
      }));
    const baseAt = (j: number, n: number) => (cascade ? j * units : 0) + n;
    const before = (row: number, j: number, n: number) => {
      let z = at(bases, row, baseAt(j, n)) + (bias ? at(bias, 0, j * units + n) : 0);
      for (const { m, product, column } of terms(j, n)) {
        const item = slates[row]?.[m] ?? NaN;
        const weights = products[product] ?? matrix(0, 0);
        for (let c = 0; c < vectors.columns; c++) z += at(vectors, item, c) * at(weights, c, column);
      }
      return z;
    };
    const valueAt = (j: number) => (kind === "item" ? 0 : j);
    const q = matrix(bases.rows, slate + (zero ? 1 : 0), (row, j) => {
      if (j === slate) return at(values, row, 1);
      let sum = at(values, row, valueAt(j));
      for (let n = 0; n < units; n++) sum += at(output, 0, baseAt(j, n)) * Math.max(0, before(row, j, n));
      return sum;
    });
    return {
      output: q,
      backward(gradient) {
        const zerosOf = (m: Matrix) => matrix(m.rows, m.columns);
        const [dBases, dValues, dOutput] = [zerosOf(bases), zerosOf(values), zerosOf(output)];
        const dProducts = products.map(zerosOf);
        const dBias = bias && zerosOf(bias);
        for (let row = 0; row < q.rows; row++) {
          if (zero) add(dValues, row, 1, at(gradient, row, slate));
          for (let j = 0; j < slate; j++) {
            const dq = at(gradient, row, j);
            add(dValues, row, valueAt(j), dq);
            for (let n = 0; n < units; n++) {
              const h = Math.max(0, before(row, j, n));
              add(dOutput, 0, baseAt(j, n), dq * h);
              const d = h > 0 ? dq * at(output, 0, baseAt(j, n)) : 0;
              add(dBases, row, baseAt(j, n), d);
              if (dBias) add(dBias, 0, j * units + n, d);
              for (const { m, product, column } of terms(j, n)) {
                const to = dProducts[product];
                const item = slates[row]?.[m] ?? NaN;
                if (to) {
                  for (let c = 0; c < vectors.columns; c++) add(to, c, column, d * at(vectors, item, c));
                }
              }
            }
          }
        }
        return [dBases, dValues, zerosOf(vectors), dOutput, ...dProducts, ...(dBias ? [dBias] : [])];
      },
    };
  };
}

/** Computes Q-values of slates, and their gradients. */

import backwardText from "../../../kernels/slates/slate_value_backward.wgsl" with { type: "text" };
import forwardText from "../../../kernels/slates/slate_value_forward.wgsl" with { type: "text" };
import { NONE } from "../../data/click_log.ts";
import { parseKernel } from "../../gpu/kernel.ts";
import { asBufferView, type View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import { weightGradient } from "../../ops/matrix_product.ts";
import { partialViews } from "../../ops/op.ts";
import type { OpCall } from "../../tape/node.ts";
import { add, getAt, makeMatrix, type Matrix, type ReferenceOp } from "../../tape/reference.ts";
import type { Tape } from "../../tape/tape.ts";
import { padColumns, type Tensor } from "../../tape/tensor.ts";
import type { QNetwork, QShape, QState, WeightCopy } from "./q_network.ts";
import {
  countNets,
  countStateColumns,
  countValueColumns,
  getItemKernelName,
  getProductWidth,
} from "./q_network.ts";
import { countRows, findRowDimension, type SlateRows } from "./slate_rows.ts";

const forwardKernel = parseKernel("slate_value_forward", forwardText);
const backwardKernel = parseKernel("slate_value_backward", backwardText);

export interface SlateBatch {
  readonly slates: readonly (readonly number[])[];
}

export interface SlateValueInputs {
  readonly copy: WeightCopy;
  readonly state: QState;
  readonly slates: View;
  readonly itemVectors: Tensor;
}

/**
 * Computes the Q-values [rows, columns] of slates. For kind `cascade`, column j is the value of the first
 * j + 1 items. For kind `item`, column j is the value of item j; with `zero`, the last column is the value of
 * no click. Expects up-to-date item tables. Overwrites `state.bases`. Only online weights get gradients.
 */
export function slateValue<S extends BatchSizes, R extends SlateBatch>(
  tape: Tape<S, R>,
  rows: SlateRows<S>,
  network: QNetwork,
  inputs: SlateValueInputs,
): Tensor {
  const { shape } = network;
  const { copy, state: { bases, values }, itemVectors } = inputs;
  const most = countRows(rows);
  if (most % 64 !== 0) throw new Error(`slate_value: expected a multiple of 64 rows, got ${most}`);
  const name = `${copy} values of slates`;
  const output = tape.tensor(name, rows.rows, countValueColumns(shape), { trainable: copy === "online" });
  const of = (parameter: string) => network.parameter(parameter, copy);
  const weights = of("output/kernel");
  const products = Array.from({ length: countNets(shape) }, (_, m) => of(getItemKernelName(m)));
  const hidden = tape.saved(`${name} hidden`, rows.rows, shape.slate * shape.units);
  const slots = rows.arena.allocate(`${name} slots`, 4 * most * shape.slate);
  const slotItems = (m: number): View => ({ buffer: slots.buffer, offset: 4 * most * m, size: 4 * most });
  const value: SlateValue = { ...inputs, output, weights, products, hidden, slotItems };
  return tape.record({
    op: "slate_value",
    inputs: [bases, values, itemVectors, weights, ...products],
    output,
    forward: (call) => forward(call, rows, network, value),
    backward: (call) => backward(call, rows, network, value),
    reference: slateValueReference(shape),
  });
}

interface SlateValue extends SlateValueInputs {
  readonly output: Tensor;
  readonly weights: Tensor;
  /** Weights from which item tables are computed: item vectors x weights. */
  readonly products: readonly Tensor[];
  /** [rows, slots x units] hidden units of all slots, saved for the backward pass. */
  readonly hidden: View;
  /** Returns the items [rows] u32 that are shown in a slot, one item per row of the batch. */
  readonly slotItems: (slot: number) => View;
}

function forward<S extends BatchSizes>(
  call: OpCall<S>,
  rows: SlateRows<S>,
  network: QNetwork,
  { copy, state: { bases, values }, slates, output, hidden, slotItems }: SlateValue,
): DispatchSpec<S>[] {
  const { slate, units } = network.shape;
  return Array.from({ length: slate }, (_, position) => {
    const slot = encodeSlot(network, position, output.stride);
    return {
      kernel: forwardKernel,
      label: `${call.label} ${position + 1}`,
      constants: { M: findRowDimension(rows), L4: units / 4 },
      views: {
        ...{ table: network.table(copy, position), weights: network.weights(copy), slates },
        ...{ values: asBufferView(values.view), bases: asBufferView(bases.view), q: output.view, hidden },
        slot_item: slotItems(position),
        place: call.upload(`slot ${position + 1}`, Uint32Array.from(slotFields, (field) => slot[field])),
      },
      invocations: [rows.rows],
    };
  });
}

/** Fields in the order of `struct Slot` in kernels/slates/slate_value_forward.wgsl, which explains them. */
const slotFields = [
  "slate",
  "position",
  "baseStride4",
  "baseAt4",
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

/** Returns a slot's settings. They are passed in a buffer, so that all slots use the same shader. */
function encodeSlot(network: QNetwork, position: number, qStride: number): Slot {
  const { shape } = network;
  const { kind, slate, units, zero } = shape;
  const units4 = units / 4;
  return {
    ...{ slate, position, qStride, tableAt4: 0, ...network.layout(position) },
    baseStride4: countNets(shape) * units4,
    baseAt4: kind === "cascade" ? position * units4 : 0,
    valueStride: padColumns(countStateColumns(shape)),
    valueAt: kind === "item" ? 0 : position,
    zeroAt: zero ? 1 : NONE,
  };
}

function backward<S extends BatchSizes>(
  call: OpCall<S>,
  rows: SlateRows<S>,
  { shape }: QNetwork,
  value: SlateValue,
): DispatchSpec<S>[] {
  const most = countRows(rows);
  const sizes = Array.from({ length: shape.slate }, (_, slot) => 4 * most * getProductWidth(shape, slot));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  /** One matrix [rows, width] per slot: gradients of the table rows of the items shown in the slot. */
  const parts = rows.arena.allocate(`${call.label} gradients of parts`, bytes);
  let end = 0;
  const slots = sizes.map((size): View => ({ buffer: parts.buffer, offset: (end += size) - size, size }));
  return [
    hiddenGradients(call, rows, shape, value, parts),
    ...productGradients(call, rows, shape, value, slots),
  ];
}

/** Computes all gradients except those of item weights. `parts` gets the gradients of item tables' rows. */
function hiddenGradients<S extends BatchSizes>(
  call: OpCall<S>,
  rows: SlateRows<S>,
  { slate, units, kind, zero }: QShape,
  { state: { bases, values }, weights, hidden, output }: SlateValue,
  parts: View,
): DispatchSpec<S> {
  const [toBases, toValues] = [call.gradient(bases), call.gradient(values)];
  if (!toBases || !toValues || toBases.accumulate || toValues.accumulate) {
    throw new Error("slate_value: the inputs bases and values must be trainable, and read by no other op");
  }
  const toWeights = call.partials(weights);
  const { buffer, offset } = asBufferView(weights.view);
  return {
    kernel: backwardKernel,
    label: `${call.label} gradients`,
    constants: {
      M: findRowDimension(rows),
      L4: units / 4,
      SLATE: slate,
      MOST: countRows(rows),
      Q_STRIDE: output.stride,
      VALUE_STRIDE: values.stride,
      OUTPUT4: offset / 16,
      CASCADE: kind === "cascade",
      ZERO: zero ?? false,
    },
    views: {
      q_gradient: call.outputGradient(),
      hidden,
      weights: { buffer, offset: 0, size: buffer.size },
      base_gradient: toBases.view,
      values_gradient: toValues.view,
      parts,
      ...partialViews(call, toWeights),
    },
    invocations: [units / 4, call.dimensions.scaleByChunks()],
  };
}

/** Computes the gradients of the weights that item vectors are multiplied by, with one dispatch per slot. */
function productGradients<S extends BatchSizes>(
  call: OpCall<S>,
  rows: SlateRows<S>,
  { kind }: QShape,
  { itemVectors, products, slotItems }: SlateValue,
  slots: readonly View[],
): DispatchSpec<S>[] {
  return slots.map((outputGradient, slot) => {
    const weights = products[kind === "cascade" ? slot : 0];
    if (!weights) throw new Error(`expected item weights for slot ${slot}, found none`);
    return weightGradient(call, {
      input: itemVectors,
      weights,
      bias: undefined,
      rows: rows.rows,
      gather: { index: slotItems(slot) },
      outputGradient,
    });
  });
}

function slateValueReference(shape: QShape): ReferenceOp<SlateBatch> {
  return ([bases, values, vectors, output, ...products], { slates }) => {
    if (!bases || !values || !vectors || !output) throw new Error("slate_value: inputs are missing");
    const given: Given64 = { shape, slates, bases, values, vectors, output, products };
    return { output: values64(given), backward: (gradient) => gradients64(given, gradient) };
  };
}

interface Given64 extends SlateBatch {
  readonly shape: QShape;
  readonly bases: Matrix;
  readonly values: Matrix;
  readonly vectors: Matrix;
  readonly output: Matrix;
  readonly products: readonly Matrix[];
}

function values64(given: Given64): Matrix {
  const { shape, bases, values, output } = given;
  const { slate, units } = shape;
  return makeMatrix(bases.rows, countValueColumns(shape), (row, j) => {
    if (j === slate) return getAt(values, row, 1);
    let sum = getAt(values, row, valueAt(shape, j));
    for (let n = 0; n < units; n++) {
      sum += getAt(output, 0, baseAt(shape, j, n)) * hidden64(given, row, j, n);
    }
    return sum;
  });
}

function gradients64(given: Given64, gradient: Matrix): Matrix[] {
  const { shape, bases, values, vectors, output, products } = given;
  const { slate, units, zero } = shape;
  const makeZeros = (m: Matrix) => makeMatrix(m.rows, m.columns);
  const [dBases, dValues, dOutput] = [makeZeros(bases), makeZeros(values), makeZeros(output)];
  const dProducts = products.map(makeZeros);
  for (let row = 0; row < bases.rows; row++) {
    if (zero) add(dValues, row, 1, getAt(gradient, row, slate));
    for (let j = 0; j < slate; j++) {
      const dq = getAt(gradient, row, j);
      add(dValues, row, valueAt(shape, j), dq);
      for (let n = 0; n < units; n++) {
        const own = baseAt(shape, j, n);
        const h = hidden64(given, row, j, n);
        add(dOutput, 0, own, dq * h);
        const d = h > 0 ? dq * getAt(output, 0, own) : 0;
        add(dBases, row, own, d);
        for (const { item, product, column } of listTerms(given, row, j, n)) {
          const to = dProducts[product];
          for (let c = 0; to && c < vectors.columns; c++) {
            add(to, c, column, d * getAt(vectors, item, c));
          }
        }
      }
    }
  }
  return [dBases, dValues, makeZeros(vectors), dOutput, ...dProducts];
}

function hidden64(given: Given64, row: number, j: number, n: number): number {
  const { shape, bases, vectors, products } = given;
  let z = getAt(bases, row, baseAt(shape, j, n));
  for (const { item, product, column } of listTerms(given, row, j, n)) {
    const weights = products[product] ?? makeMatrix(0, 0);
    for (let c = 0; c < vectors.columns; c++) {
      z += getAt(vectors, item, c) * getAt(weights, c, column);
    }
  }
  return Math.max(0, z);
}

/** Lists the items that contribute to hidden unit n of position j, with the indices of their weights. */
function listTerms({ shape: { kind, units }, slates }: Given64, row: number, j: number, n: number) {
  const cascade = kind === "cascade";
  return Array.from({ length: j + 1 }, (_, m) => m).filter((m) => m === j || cascade).map((m) => ({
    item: slates[row]?.[m] ?? NaN,
    product: cascade ? m : 0,
    column: n + units * (j - m),
  }));
}

function baseAt({ kind, units }: QShape, j: number, n: number): number {
  return (kind === "cascade" ? j * units : 0) + n;
}

function valueAt({ kind }: QShape, j: number): number {
  return kind === "item" ? 0 : j;
}

/** Op first_layer computes ELU(W_item f + W_state s + W_counts c) for each displayed item (row). */

import backwardText from "../../kernels/matmul/first_layer_backward.wgsl" with { type: "text" };
import forwardText from "../../kernels/matmul/first_layer_forward.wgsl" with { type: "text" };
import type { ClickDispatch, ClickSizes } from "../batch/click_sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import { type Constants, parseKernel } from "../gpu/kernel.ts";
import { add, applyElu, backpropagateActivation, getAt, makeMatrix, multiply } from "../tape/reference.ts";
import { expectShape, getVectorConstants } from "./op.ts";
import { formatShape, type Tensor } from "../tape/tensor.ts";
import { weightGradient } from "./matrix_product.ts";

const forwardKernel = parseKernel("first_layer_forward", forwardText);
const backwardKernel = parseKernel("first_layer_backward", backwardText);

export interface FirstLayerInputs {
  /** W_item f: tensor [items, N] for the batch's distinct items or, for one-hot features, table [I, N]. */
  readonly item: Tensor;
  /** W_state s: tensor [events, N]. */
  readonly state: Tensor;
  /** Count features: `input` is a constant [rows, C] with C at most 12; `weights` is a parameter [C, N]. */
  readonly counts?: { readonly input: Tensor; readonly weights: Tensor };
}

export interface FirstLayerOptions {
  /** Probability that a training step ignores a row's item (its W_item f counts as 0); by default 0. */
  readonly itemDropout?: number;
  /** True if the caller also reads `state`; otherwise the op may skip storing W_state s (fused kernel). */
  readonly storesState?: boolean;
}

/** Returns [R, N]; takes about 2 R N (1 + C) flops and R N exponentials. @throws Error for wrong shapes */
export function firstLayer(
  tape: ClickTape,
  name: string,
  { item, state, counts }: FirstLayerInputs,
  { itemDropout = 0, storesState = false }: FirstLayerOptions = {},
): Tensor {
  const oneHot = isTable(item);
  if (!oneHot) expectShape("first_layer", item, "items", state.columns);
  expectShape("first_layer", state, "events", item.columns);
  if (counts) expectShape("first_layer", counts.weights, counts.input.columns, state.columns);
  const C4 = counts ? counts.input.stride / 4 : 0;
  const shape = getVectorConstants(tape.options.variants);
  const fused = shape.VECTORS === 1 && !counts && !storesState
    ? state.deferLinear?.(FUSED_COLUMNS)
    : undefined;
  const output = tape.tensor(name, "rows", state.columns, { activation: "elu", textured: true });
  const N4 = output.stride / 4;
  const dropout = dropoutConstants(itemDropout);

  const forward = (): ClickDispatch[] => [{
    kernel: forwardKernel,
    label: `${name} forward`,
    constants: { N4, C4, S4: fused ? fused.input.stride / 4 : 0, ...shape, ...dropout },
    views: {
      item: item.view,
      state: (fused?.bias ?? state).view,
      event: tape.batch.event,
      row_item: tape.batch.rowItem,
      counts: (counts?.input ?? fused?.input ?? state).view,
      count_kernel: (counts?.weights ?? fused?.weights ?? state).view,
      output: output.view,
    },
    invocations: [{ of: "events", times: Math.ceil(N4 / shape.VECTORS) }],
    cost: (s) => ({
      flops: (3 + 2 * (counts?.input.columns ?? 0)) * s.rows * output.columns +
        2 * s.events * (fused?.input.columns ?? 0) * output.columns,
      bytes: 16 * N4 * (s.items + (fused ? 0 : s.events) + s.rows) + 16 * C4 * (s.rows + 4 * N4) +
        4 * (fused?.input.stride ?? 0) * (s.events + 4 * N4),
    }),
  }];

  return tape.record({
    op: "first_layer",
    inputs: counts ? [item, state, counts.input, counts.weights] : [item, state],
    output,
    forward,
    backward: (call) => [
      ...backward(tape, call, { item, state }, dropout),
      ...(counts
        ? [weightGradient(call, {
          ...counts,
          bias: undefined,
          rows: "rows" as const,
          gather: undefined,
          outputGradient: call.outputGradient(),
        })]
        : []),
    ],
    reference: reference(oneHot, itemDropout),
  });
}

/** Largest width of an encoder state s for which the GPU kernel also computes the product W_state s. */
const FUSED_COLUMNS = 32;

function backward(
  tape: ClickTape,
  call: ClickCall,
  { item, state }: FirstLayerInputs,
  dropout: Constants,
): ClickDispatch[] {
  const N4 = state.stride / 4;
  const shape = getVectorConstants(tape.options.variants);
  const { event, slotItem, logged: { ranked, slotFirst, sorted } } = tape.batch;
  const toState = call.gradient(state);
  const toItem = call.gradient(item);
  if (!toState || !toItem) throw new Error(`first_layer: ${item.name} and ${state.name} must be trainable`);
  const table = isTable(item);
  // The item gradient has a row per item of the batch (dense features) or catalogue (one-hot features).
  const sparse = table ? call.sparseGradient(item, "items", slotItem) : undefined;
  const ITEMS = table && !sparse ? Number(item.rows) : 0;
  const itemRows = (s: ClickSizes) => ITEMS || s.items;
  return [{
    kernel: backwardKernel,
    label: `${call.label} gradients of item and state`,
    constants: {
      N4,
      ITEMS,
      ...shape,
      ...dropout,
      ACCUMULATE_STATE: toState.accumulate,
      ACCUMULATE_ITEM: toItem.accumulate,
    },
    views: {
      source: call.outputGradient(),
      event,
      ranked,
      slot_first: slotFirst,
      sorted,
      state_gradient: toState.view,
      item_gradient: sparse?.gradient ?? toItem.view,
    },
    invocations: [{ of: "events", plus: ITEMS || "items", times: Math.ceil(N4 / shape.VECTORS) }],
    cost: (s) => ({ flops: 2 * s.rows * state.columns, bytes: 16 * N4 * (s.rows + s.events + itemRows(s)) }),
  }];
}

export function dropoutConstants(itemDropout: number): Constants {
  return { KEPT: getLargestKeptNoise(itemDropout), KEPT_SCALE: 1 / (1 - itemDropout) };
}

/** Returns the factor of W_item f for a row in a training step; 0 if dropout hides the item. */
export function computeDropoutScale(row: number, stepNoise: number, itemDropout: number): number {
  return computeDropoutNoise(row, stepNoise) <= getLargestKeptNoise(itemDropout) ? 1 / (1 - itemDropout) : 0;
}

function getLargestKeptNoise(itemDropout: number): number {
  return Math.round((1 - itemDropout) * 2 ** 32) - 1;
}

/** Returns the 32-bit pseudo-random number by which the kernels decide if dropout hides a row's item. */
function computeDropoutNoise(row: number, stepNoise: number): number {
  const state = (Math.imul(row ^ stepNoise, 747796405) + 2891336453) >>> 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737) >>> 0;
  return ((word >>> 22) ^ word) >>> 0;
}

/** Returns true for an embedding table, false for a tensor of the batch. @throws Error if it is neither */
export function isTable(tensor: Tensor): boolean {
  if (typeof tensor.rows !== "number") return false;
  if (!tensor.parameter?.table) throw new Error(`expected ${formatShape(tensor)} to be an embedding table`);
  return true;
}

function reference(oneHot: boolean, itemDropout: number): ClickReference {
  return ([item, state, counts, weights], batch) => {
    if (!item || !state) throw new Error("first_layer: expected an item and a state");
    const itemRow = (r: number) => (oneHot ? batch.rows[r]?.item : batch.rowSlot[r]) ?? 0;
    const event = (r: number) => batch.rows[r]?.event ?? 0;
    const scale = (r: number) => computeDropoutScale(r, batch.noise, itemDropout);
    const counted = counts && weights && multiply(counts, weights);
    const output = makeMatrix(
      batch.rows.length,
      item.columns,
      (r, j) =>
        applyElu(
          scale(r) * getAt(item, itemRow(r), j) + getAt(state, event(r), j) +
            (counted ? getAt(counted, r, j) : 0),
        ),
    );
    return {
      output,
      backward(gradient) {
        const dz = backpropagateActivation("elu", output, gradient);
        const dItem = makeMatrix(item.rows, item.columns);
        const dState = makeMatrix(state.rows, state.columns);
        for (let r = 0; r < dz.rows; r++) {
          for (let j = 0; j < dz.columns; j++) {
            add(dItem, itemRow(r), j, scale(r) * getAt(dz, r, j));
            add(dState, event(r), j, getAt(dz, r, j));
          }
        }
        if (!counts || !weights) return [dItem, dState];
        return [dItem, dState, multiply(dz, weights, false, true), multiply(counts, dz, true)];
      },
    };
  };
}

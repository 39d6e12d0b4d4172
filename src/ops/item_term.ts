/** Op item_term computes a term of the utility: the dot product of an event's and an item's vector. */

import backwardText from "../../kernels/scatter/item_term_backward.wgsl" with { type: "text" };
import forwardText from "../../kernels/scatter/item_term_forward.wgsl" with { type: "text" };
import gradientText from "../../kernels/scatter/item_term_gradient.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import type { ClickCall, ClickReference, ClickTape } from "../batch/click_tape.ts";
import { type Constants, parseKernel } from "../gpu/kernel.ts";
import { add, getAt, makeMatrix, sumColumns } from "../tape/reference.ts";
import { expectShape } from "./op.ts";
import type { Tensor } from "../tape/tensor.ts";
import { computeDropoutScale, dropoutConstants, isTable } from "./first_layer.ts";
import { positionGradient } from "./position_gradient.ts";

const forwardKernel = parseKernel("item_term_forward", forwardText);
const backwardKernel = parseKernel("item_term_backward", backwardText);
const gradientKernel = parseKernel("item_term_gradient", gradientText);

export interface ItemTermInputs {
  /** Item vectors: tensor [items, N] for the batch's distinct items or, if one-hot, table [I, N]. */
  readonly item: Tensor;
  /** State vectors: tensor [events, N]. If absent, N is 1, and each item's term is one number. */
  readonly state?: Tensor;
  /** Summand of the result: a parameter [1, 1], or a tensor [rows, 1] that no other op may read. */
  readonly base: Tensor;
}

/**
 * Records dot(state, item) + base, [rows, 1]: 2 R N flops forward and 4 R N backward, for R rows.
 * @param itemDropout - probability, in training, that the item of a row is hidden
 */
export function itemTerm(
  tape: ClickTape,
  name: string,
  { item, state, base }: ItemTermInputs,
  itemDropout = 0,
): Tensor {
  const N = item.columns;
  const oneHot = isTable(item);
  if (!oneHot) expectShape("item_term", item, "items", N);
  if (state) expectShape("item_term", state, "events", N);
  else expectShape("item_term", item, item.rows, 1);
  if (base.parameter) expectShape("item_term", base, 1, 1);
  else expectShape("item_term", base, "rows", 1);
  const output = tape.tensor(name, "rows", 1, { stride: 1 });
  const N4 = item.stride / 4;
  const constants = { N4, ...dropoutConstants(itemDropout) };
  const term: ItemTerm = { tape, item, state, base, N4, constants };

  const forward = (): ClickDispatch[] => [{
    kernel: forwardKernel,
    label: `${name} forward`,
    constants: { ...constants, STATE: state !== undefined, BASE: !base.parameter },
    views: {
      item: item.view,
      state: (state ?? item).view,
      event: tape.batch.event,
      row_item: tape.batch.rowItem,
      base: base.view,
      output: output.view,
    },
    invocations: ["events"],
    cost: (s) => ({
      flops: 2 * s.rows * N,
      bytes: 16 * N4 * (s.items + (state ? s.events : 0)) + 12 * s.rows,
    }),
  }];

  return tape.record({
    op: "item_term",
    inputs: state ? [item, base, state] : [item, base],
    output,
    forward,
    backward: (call) => [
      ...stateGradient(term, call),
      itemGradient(term, call),
      ...(base.parameter ? [positionGradient(tape, call, base, call.outputGradient())] : []),
    ],
    reference: reference(oneHot, itemDropout),
  });
}

interface ItemTerm extends ItemTermInputs {
  readonly tape: ClickTape;
  readonly N4: number;
  readonly constants: Constants;
}

/** Returns the dispatch for the gradient of `state` if it needs one. Also passes the gradient to `base`. */
function stateGradient(
  { tape, item, state, base, N4, constants }: ItemTerm,
  call: ClickCall,
): ClickDispatch[] {
  const toState = state && call.gradient(state);
  if (!base.parameter) call.passGradient(base);
  if (!toState) return [];
  return [{
    kernel: backwardKernel,
    label: `${call.label} gradients by event`,
    constants: { ...constants, ACCUMULATE_STATE: toState.accumulate },
    views: {
      source: call.outputGradient(),
      item: item.view,
      event: tape.batch.event,
      row_item: tape.batch.rowItem,
      state_gradient: toState.view,
    },
    invocations: [{ of: "events", times: N4 }],
    cost: (s) => ({
      flops: 2 * s.rows * item.columns,
      bytes: 16 * N4 * (s.items + (toState ? s.events : 0)) + 12 * s.rows,
    }),
  }];
}

function itemGradient({ tape, item, state, N4, constants }: ItemTerm, call: ClickCall): ClickDispatch {
  const toItem = call.gradient(item);
  if (!toItem) throw new Error(`item_term: ${item.name} must be trainable`);
  const { row, slotItem, logged: { ranked, slotFirst, sorted } } = tape.batch;
  const table = isTable(item);
  // The item gradient has a row per item of the batch (dense features) or catalogue (one-hot features).
  const sparse = table ? call.sparseGradient(item, "items", slotItem) : undefined;
  const ITEMS = table && !sparse ? Number(item.rows) : 0;
  return {
    kernel: gradientKernel,
    label: `${call.label} gradient by item`,
    constants: {
      ...constants,
      STATE: state !== undefined,
      ITEMS,
      ACCUMULATE: !sparse && toItem.accumulate,
      EIGHT: call.variants.kind === "gpu",
    },
    views: {
      source: call.outputGradient(),
      state: (state ?? item).view,
      row,
      ranked,
      slot_first: slotFirst,
      sorted,
      item_gradient: sparse?.gradient ?? toItem.view,
    },
    invocations: [{ of: ITEMS || "items", times: N4 }],
    cost: (s) => ({
      flops: 2 * s.rows * item.columns,
      bytes: 16 * N4 * ((state ? s.events : 0) + (ITEMS || s.items)) + 16 * s.rows,
    }),
  };
}

function reference(oneHot: boolean, itemDropout: number): ClickReference {
  return ([item, base, state], batch) => {
    if (!item || !base) throw new Error("item_term: expected the inputs item and base");
    const itemRow = (r: number) => (oneHot ? batch.rows[r]?.item : batch.rowSlot[r]) ?? 0;
    const event = (r: number) => batch.rows[r]?.event ?? 0;
    const bias = base.rows === 1 && batch.rows.length !== 1;
    const scale = (r: number) => computeDropoutScale(r, batch.noise, itemDropout);
    const factor = (r: number, k: number) => scale(r) * (state ? getAt(state, event(r), k) : 1);
    const output = makeMatrix(batch.rows.length, 1, (r) => {
      let sum = getAt(base, bias ? 0 : r, 0);
      for (let k = 0; k < item.columns; k++) sum += factor(r, k) * getAt(item, itemRow(r), k);
      return sum;
    });
    return {
      output,
      backward(gradient) {
        const dItem = makeMatrix(item.rows, item.columns);
        const dState = state && makeMatrix(state.rows, state.columns);
        for (let r = 0; r < gradient.rows; r++) {
          for (let k = 0; k < item.columns; k++) {
            add(dItem, itemRow(r), k, factor(r, k) * getAt(gradient, r, 0));
            if (dState) {
              add(dState, event(r), k, scale(r) * getAt(item, itemRow(r), k) * getAt(gradient, r, 0));
            }
          }
        }
        const dBase = bias ? sumColumns(gradient) : gradient;
        return dState ? [dItem, dBase, dState] : [dItem, dBase];
      },
    };
  };
}

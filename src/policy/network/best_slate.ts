/** The slate whose expected value is the largest: exact, where clicks follow the choice model. */

import ratioText from "../../../kernels/slates/slate_ratio.wgsl" with { type: "text" };
import { type Constants, parseKernel } from "../../gpu/kernel.ts";
import type { View } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import type { BatchSizes } from "../../gpu/sizes.ts";
import { UserError } from "../../user_error.ts";
import { allocateUnused, countItems, findRowDimension, type SlateRows } from "./slate_rows.ts";

const ratioKernel = parseKernel("slate_ratio", ratioText);

/** Items of a slate that can be exact. */
const MOST_EXACT = 16;

/** Bits of items that may not be chosen: bit i of word p stride + r is item 32 p + i of row r. */
export interface ItemMask {
  readonly view: View;
  /** From one panel's words to the next. */
  readonly stride: number;
}

/** Who clicks what. */
export interface ChoiceModel {
  /** k */
  readonly slate: number;
  /** P(item) is proportional to exp(eta u), P(no click) to 1. */
  readonly eta: number;
}

export interface BestSlateInputs extends ChoiceModel {
  readonly label: string;
  /** [rows of a chunk, I] */
  readonly utilities: View;
  /** What a click on an item is worth: its utility, and no click nothing; or by a network. */
  readonly worthOf: "utility" | {
    /** [rows of a chunk, stride], beside a part of the row */
    readonly scores: View;
    readonly stride: number;
    /** [R, stride] (the part of the row, the value of no click) */
    readonly values: View;
    readonly valueStride: number;
  };
  readonly masked: ItemMask;
  /** [R, k] u32 */
  readonly slates: View;
  /** [R] f32: what the slate is worth. */
  readonly worth: View;
}

/** The best slate of the rows from `step.first_entry` on. @throws UserError for a larger slate than it takes. */
export function recordBestSlate<S extends BatchSizes>(
  rows: SlateRows<S>,
  best: BestSlateInputs,
): DispatchSpec<S> {
  const { utilities, worthOf, masked, slates, worth } = best;
  const items = countItems(rows);
  const utility = worthOf === "utility";
  return {
    ...ratio(rows, best, {
      MASK_STRIDE: masked.stride,
      UTILITY_STRIDE: items,
      SCORES_STRIDE: utility ? 1 : worthOf.stride,
      VALUE_STRIDE: utility ? 1 : worthOf.valueStride,
      UTILITY: utility,
    }),
    views: {
      utilities,
      scores: utility ? utilities : worthOf.scores,
      values: utility ? utilities : worthOf.values,
      ...{ masked: masked.view, slates, worth },
    },
  };
}

export interface SlateWorthInputs extends ChoiceModel {
  readonly label: string;
  /** [R, k] */
  readonly utilities: View;
  /** [R, stride] of each slot, and behind them of no click */
  readonly values: View;
  readonly stride: number;
  /** [R] f32 */
  readonly worth: View;
}

/** What slates are worth. @throws as {@link recordBestSlate} */
export function recordSlateWorth<S extends BatchSizes>(
  rows: SlateRows<S>,
  slate: SlateWorthInputs,
): DispatchSpec<S> {
  const { utilities, values, stride, worth } = slate;
  const constants = { GIVEN: true, UTILITY_STRIDE: slate.slate, SCORES_STRIDE: stride, UTILITY: false };
  return {
    ...ratio(rows, slate, constants),
    views: {
      ...{ utilities, scores: values, values, worth },
      ...{ masked: allocateUnused(rows), slates: allocateUnused(rows) },
    },
  };
}

function ratio<S extends BatchSizes>(
  rows: SlateRows<S>,
  { label, slate, eta }: ChoiceModel & { readonly label: string },
  constants: Constants,
): Omit<DispatchSpec<S>, "views"> {
  if (slate > MOST_EXACT) {
    throw new UserError(
      `Expected slates of at most ${MOST_EXACT} items where the best slate is found exactly, got ${slate}. ` +
        "Use a smaller --slate, or another algorithm.",
    );
  }
  return {
    kernel: ratioKernel,
    label,
    constants: { M: findRowDimension(rows), SLATE: slate, ITEMS: countItems(rows), ETA: eta, ...constants },
    invocations: [rows.rows],
  };
}
